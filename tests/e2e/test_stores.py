"""A detector with a Redis and a Postgres of its own: nothing is lost when either goes.

Every promise is looked at from outside: answers by a client in the cluster, records in the database
that the operator made. The tests go on from one another.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from examples.demo import bucket
from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature
from tests.cluster import images
from tests.e2e.bed import Bed, transaction, wait_for
from tests.e2e.load import Load, under_load
from tests.e2e.processes import first_process
from tests.support.closing import say
from tests.support.volumes import grow

pytestmark = pytest.mark.node

NAME = "stores"
CLAIM = f"data-{NAME}-postgres-0"
KEPT = (
    Feature(
        name="customer_count_1d",
        type="number",
        source=Window(
            entity="customer",
            aggregate="count",
            window="1d",
            bucket="1h",
            currency="EUR",
            default=0.0,
        ),
    ),
)
SMALL = {"requests": {"cpu": "50m"}}
NEEDS = ("RedisReady", "PostgresReady", "SchemaReady")
SECRETS = (f"{NAME}-postgres-app", f"{NAME}-postgres-owner", f"{NAME}-records-keys")


def spec(bed: Bed, storage: str = "1Gi") -> dict[str, Any]:
    """Of the detector: everything is recorded, and sealed in the bucket too."""
    destination = {
        "bucket": bucket.BUCKET,
        "prefix": f"{NAME}-records/",
        "endpoint": f"http://{bucket.SERVICE}.{bed.namespace}.svc:{bucket.PORT}",
        "credentialsSecret": bucket.SECRET,
    }
    return {
        "redis": {"managed": {"version": "8.0", "resources": SMALL}},
        "postgres": {"managed": {"storage": storage, "resources": SMALL}},
        "audit": {"destination": {"s3": destination}, "spool": "64Mi"},
    }


@pytest.fixture(scope="module")
def stored(bed: Bed) -> Bed:
    """The detector, ready, with a model that keeps a history of customers."""
    bed.cluster.load(*map(images.tag_of, images.build(images.STORE_NAMES)))
    bed.publish(NAME, "v1", kept=KEPT)
    began = time.monotonic()
    bed.apply(NAME, spec(bed))
    bed.wait_ready(NAME)
    say("a detector with managed stores", [f"Ready {time.monotonic() - began:.1f} s after apply"])
    return bed


def sql(bed: Bed, query: str) -> list[str]:
    """What the database says, a line each; nothing while it cannot be asked."""
    ask = ("psql", "--no-psqlrc", "-At", "--username=postgres", "--dbname=fraudops", "-c", query)
    pod = f"{NAME}-postgres-0"
    return bed.kubectl("exec", pod, "--container=postgres", "--", *ask, check=False).split("\n")


def recorded(bed: Bed, transactions: Iterable[str]) -> Counter[str]:
    """How often each of them is recorded."""
    listed = ",".join(transactions)
    names = f"SELECT unnest(string_to_array('{listed}', ','))"
    query = f"SELECT transaction_id FROM predictions WHERE transaction_id IN ({names})"
    return Counter(line.strip() for line in sql(bed, query) if line.startswith("load-"))


def wait_recorded(bed: Bed, load: Load) -> None:
    """Wait until all that was acknowledged is there, and see that nothing is there twice."""
    assert load.answered > 0
    some = [load.acknowledged[first : first + 1000] for first in range(0, load.answered, 1000)]

    def missing() -> int:
        found = sum((recorded(bed, part) for part in some), Counter[str]())
        return len(set(load.acknowledged) - found.keys())

    wait_for("everything that was acknowledged is recorded", lambda: missing() == 0)
    for what in ("predictions", "transactions"):
        twice = sql(
            bed,
            f"SELECT transaction_id FROM {what} GROUP BY 1 HAVING count(*) > 1 LIMIT 5",
        )
        assert not any(line.startswith("load-") for line in twice), f"twice in {what}: {twice}"


def wait_whole(bed: Bed) -> None:
    """Wait until both stores are told to be well."""
    for need in NEEDS:
        wait_for(need, lambda need=need: bed.condition(NAME, need).get("status") == "True")
    bed.wait_ready(NAME)


def uid(bed: Bed, kind: str, name: str) -> str:
    found: str = bed.get(kind, name)["metadata"]["uid"]
    return found


def test_the_detector_says_that_its_stores_are_there(stored: Bed) -> None:
    wait_whole(stored)
    shown = stored.detector(NAME)["status"]["stores"]
    assert shown["redis"]["ready"]
    assert shown["postgres"]["ready"]
    assert shown["schema"]["state"] == "UpToDate"


def test_what_is_answered_is_recorded_once(stored: Bed) -> None:
    with under_load(stored, NAME) as load:
        time.sleep(3)  # of ordinary traffic
    assert load.failed == ()
    # A machine that is busy with other things may keep Redis from answering in 5 ms now and then.
    assert max(load.degraded.values(), default=0) < load.answered / 2
    wait_recorded(stored, load)


def test_a_history_is_kept(stored: Bed) -> None:
    who, sent = f"c-{secrets.token_hex(4)}", 0

    def has_history() -> bool:
        """Whether the newest of the customer's transactions was scored with all before it."""
        nonlocal sent
        sent += 1
        asked = transaction(f"{who}-{sent}", {"amount": 20.0, "night": 0})
        asked["event_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        asked["entities"]["customer"] = who
        status, _ = stored.post(f"http://{NAME}-scorer/v1/score", asked)
        assert status == 200
        found = f"SELECT personal FROM transactions WHERE transaction_id = '{who}-{sent}'"
        wait_for("it is recorded", lambda: sql(stored, found)[0])
        features = json.loads(sql(stored, found)[0])["features"]
        return sent > 2 and features["customer_count_1d"] == sent - 1

    wait_for("a history of all that came before", has_history)


def test_the_same_transaction_gets_the_same_answer_and_another_body_is_refused(
    stored: Bed,
) -> None:
    def claimed() -> Any:
        name = f"again-{secrets.token_hex(4)}"
        answer = stored.score(NAME, name, {"amount": 20.0, "night": 0})
        return None if "idempotency" in answer["degraded"] else (name, answer)

    name, first = wait_for("a whole answer", claimed)
    wait_for(
        "the same answer again",
        lambda: stored.score(NAME, name, {"amount": 20.0, "night": 0}) == first,
    )
    other = transaction(name, {"amount": 30.0, "night": 0})
    wait_for(
        "another body is refused",
        lambda: stored.post(f"http://{NAME}-scorer/v1/score", other)[0] == 409,
    )


def test_labels_come_later_and_a_look_shows_all(stored: Bed) -> None:
    stored.score(NAME, "looked-at", {"amount": 900.0, "night": 1})
    wait_for("it is recorded", lambda: sql(stored, _count("looked-at"))[0] == "1")
    label = {
        "transaction_id": "looked-at",
        "label": "chargeback",
        "event_time": "2026-01-01T12:00:00Z",
        "observed_at": "2026-01-09T12:00:00Z",
        "source": "a bank",
    }
    status, added = stored.post(f"http://{NAME}-scorer/v1/labels", label)
    assert (status, added) == (200, {"new": 1, "known": 0, "unmatched": 0})
    script = (
        "import json, sys, urllib.request;"
        "print(json.dumps(json.load(urllib.request.urlopen(sys.argv[1], timeout=10))))"
    )
    url = f"http://{NAME}-scorer/v1/transactions/looked-at"
    known = stored.kubectl("exec", "client", "--", "python3", "-c", script, url)
    assert "chargeback" in known
    assert '"decline"' in known


def test_connections_stay_within_the_budget(stored: Bed) -> None:
    budget = stored.detector(NAME)["status"]["effective"]["connections"]
    with under_load(stored, NAME, threads=4, pause=0.002) as load:
        seen = max(_connections(stored) for _ in range(5))
    assert load.failed == ()
    say(
        "connections to Postgres",
        [
            f"{seen} in use by {len(stored.pods(NAME))} pods; the budget: {budget['used']} at the"
            f" most of {budget['allowed']}, {budget['perPod']} a pod"
        ],
    )
    assert 0 < seen <= budget["perPod"] * len(stored.pods(NAME)) <= budget["used"]
    assert budget["used"] <= budget["allowed"]


def test_nobody_notices_that_redis_is_killed(stored: Bed) -> None:
    before = uid(stored, "pod", f"{NAME}-redis-0")
    with under_load(stored, NAME, threads=4) as load:
        _kill(stored, f"{NAME}-redis-0", before)
        wait_whole(stored)
        time.sleep(3)  # of traffic, while pods find their way back to it
    assert load.failed == ()
    assert set(load.degraded) <= {
        "idempotency", "features.redis", "features.postgres", "features.defaults",
    }  # fmt: skip
    say("Redis killed", [f"{load.answered} answered, 0 failed, degraded: {load.degraded}"])
    wait_recorded(stored, load)
    # A pod may still find its way back to it.
    wait_for("answers are whole again", lambda: not _degraded(stored))


def test_nobody_notices_that_postgres_is_killed(stored: Bed) -> None:
    before = uid(stored, "pod", f"{NAME}-postgres-0")
    with under_load(stored, NAME, threads=4) as load:
        _kill(stored, f"{NAME}-postgres-0", before)
        wait_whole(stored)
    assert load.failed == ()
    say("Postgres killed", [f"{load.answered} answered, 0 failed, degraded: {load.degraded}"])
    wait_recorded(stored, load)


def test_what_was_acknowledged_outlives_a_scorer_that_is_killed(stored: Bed) -> None:
    pod = stored.pods(NAME)[0]["metadata"]["name"]
    with under_load(stored, NAME) as load:
        os.kill(first_process(stored, pod), signal.SIGKILL)
        wait_for("it is started again", lambda: _restarts(stored, pod) > 0)
        stored.wait_ready(NAME)
    assert not [one for one in load.failed if "status 5" in one], "a 5xx"
    say("a scorer killed", [f"{load.answered} answered, {len(load.failed)} connections cut off"])
    wait_recorded(stored, load)


def test_a_volume_grows_and_the_pod_stays(stored: Bed) -> None:
    pod = uid(stored, "pod", f"{NAME}-postgres-0")
    with under_load(stored, NAME) as load:
        stored.apply(NAME, spec(stored, storage="2Gi"))
        asks = ("get", "pvc", CLAIM, "--output=jsonpath={.spec.resources.requests.storage}")
        wait_for("the claim asks for more", lambda: stored.kubectl(*asks) == "2Gi")
        assert grow(stored.cluster, stored.namespace, CLAIM) == "2Gi"
        wait_for("the StatefulSet says the same", lambda: _template(stored) == "2Gi")
        wait_for(
            "status says so",
            lambda: stored.detector(NAME)["status"]["stores"]["postgres"]["capacity"] == "2Gi",
        )
    assert load.failed == ()
    assert uid(stored, "pod", f"{NAME}-postgres-0") == pod
    wait_recorded(stored, load)


def test_data_and_passwords_outlive_the_detector_and_are_taken_back(stored: Bed) -> None:
    stored.score(NAME, "before", {"amount": 20.0, "night": 0})
    wait_for("it is recorded", lambda: sql(stored, _count("before"))[0] == "1")
    kept = {("pvc", CLAIM), *(("secret", name) for name in SECRETS)}
    uids = {one: uid(stored, *one) for one in kept}
    stored.kubectl("delete", "frauddetector", NAME, "--timeout=60s")
    selector = f"--selector=fraudops.io/detector={NAME}"
    wait_for("no child is left", lambda: not stored.get("statefulset,pod,service", selector))
    assert {one: uid(stored, *one) for one in kept} == uids
    began = time.monotonic()
    stored.apply(NAME, spec(stored, storage="2Gi"))
    wait_whole(stored)
    say("a detector that returns", [f"Ready {time.monotonic() - began:.1f} s after apply"])
    assert {one: uid(stored, *one) for one in kept} == uids
    assert sql(stored, _count("before"))[0] == "1"
    with under_load(stored, NAME) as load:
        time.sleep(2)  # of ordinary traffic
    assert load.failed == ()
    wait_recorded(stored, load)


def test_the_records_are_found_unchanged(stored: Bed) -> None:
    pod = stored.pods(NAME)[0]["metadata"]["name"]
    verify = ("fraud-scorer", "audit", "verify", "--postgres=/etc/fraudops/postgres")
    said = wait_for("verify", lambda: stored.kubectl("exec", pod, "--", *verify))
    assert said.startswith("nothing is wrong"), said


def _count(transaction_id: str) -> str:
    return f"SELECT count(*) FROM predictions WHERE transaction_id = '{transaction_id}'"


def _connections(bed: Bed) -> int:
    scorers = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'fraudops_scorer%'"
    return int(sql(bed, scorers)[0])


def _kill(bed: Bed, pod: str, was: str) -> None:
    """At once, as a node that dies; another pod takes its place."""
    bed.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    def replaced() -> bool:
        found = bed.get("pods", f"--field-selector=metadata.name={pod}")
        return bool(found) and found[0]["metadata"]["uid"] != was

    wait_for(f"another {pod}", replaced)


def _degraded(bed: Bed) -> list[str]:
    found: list[str] = bed.score(
        NAME, f"whole-{secrets.token_hex(4)}", {"amount": 20.0, "night": 0}
    )["degraded"]
    return found


def _restarts(bed: Bed, pod: str) -> int:
    statuses: list[Mapping[str, Any]] = bed.get("pod", pod)["status"]["containerStatuses"]
    return int(statuses[0]["restartCount"])


def _template(bed: Bed) -> str:
    found = bed.get("statefulset", f"--field-selector=metadata.name={NAME}-postgres")
    if not found:
        return ""
    claim = found[0]["spec"]["volumeClaimTemplates"][0]
    return str(claim["spec"]["resources"]["requests"]["storage"])
