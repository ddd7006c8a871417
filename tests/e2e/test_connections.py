"""Connections to Postgres of a detector with many pods, counted by the server, against the budget.

Also while all of its pods are replaced: those that go still ship what they recorded when those that
come are at work.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from examples.demo import bucket
from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature
from tests.cluster import images
from tests.e2e.bed import Bed, wait_for
from tests.e2e.load import under_load
from tests.support.closing import say

pytestmark = [pytest.mark.node, pytest.mark.long]

NAME = "many"
REPLICAS = 20
SECONDS = 600.0
"""Twenty pods start on what may be two cores."""
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
HELD = (
    "SELECT usename, application_name, count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1, 2"
)


@pytest.fixture(scope="module")
def many(bed: Bed) -> Bed:
    """The detector with managed stores, twenty pods of it ready."""
    bed.cluster.load(*map(images.tag_of, images.build(images.STORE_NAMES)))
    bed.publish(NAME, "v1", kept=KEPT)
    destination = {
        "bucket": bucket.BUCKET,
        "prefix": f"{NAME}-records/",
        "endpoint": f"http://{bucket.SERVICE}.{bed.namespace}.svc:{bucket.PORT}",
        "credentialsSecret": bucket.SECRET,
    }
    spec: Mapping[str, Any] = {
        "scorer": {"replicas": REPLICAS},
        "scoring": {"lists": True},
        "redis": {"managed": {"version": "8.0", "resources": SMALL}},
        "postgres": {"managed": {"storage": "1Gi", "resources": SMALL}},
        "audit": {"destination": {"s3": destination}, "spool": "64Mi"},
    }
    bed.apply(NAME, spec)
    bed.kubectl(
        "wait", "--for=condition=Ready", f"frauddetector/{NAME}", f"--timeout={SECONDS:.0f}s"
    )
    wait_for("all pods are ready", lambda: ready(bed) == REPLICAS, SECONDS)
    return bed


def ready(bed: Bed) -> int:
    """How many scorer pods are ready and not going."""
    return sum(
        {"type": "Ready", "status": "True"}.items() <= one.items()
        for pod in bed.pods(NAME)
        for one in pod["status"].get("conditions", [])
    )


def sql(bed: Bed, query: str) -> list[list[str]]:
    """What the database says, a list for each row."""
    ask = ("psql", "--no-psqlrc", "-At", "--username=postgres", "--dbname=fraudops", "-c", query)
    said = bed.kubectl("exec", f"{NAME}-postgres-0", "--container=postgres", "--", *ask)
    return [line.split("|") for line in said.splitlines()]


class Watched:
    """Connections as the server lists them."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.most: Counter[tuple[str, str]] = Counter()
        """By login and what it is for, when most were held at once."""
        self.looks = 0

    def look(self) -> None:
        """Ask once more."""
        held = Counter({(who, what): int(n) for who, what, n in sql(self._bed, HELD)})
        self.looks += 1
        if held.total() > self.most.total():
            self.most = held

    def of_the_budget(self) -> int:
        """Those that are not kept for superusers and people."""
        return sum(n for (who, _), n in self.most.items() if who.startswith("fraudops_"))


@contextmanager
def watched(bed: Bed) -> Iterator[Watched]:
    """Look again and again while the context lasts."""
    found, over = Watched(bed), threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            found.look()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()


def holds_against_the_budget(bed: Bed, during: str, found: Watched) -> None:
    """Print what was held, and see that it is within what was computed."""
    budget = bed.detector(NAME)["status"]["effective"]["connections"]
    server = int(sql(bed, "SHOW max_connections")[0][0])
    used = found.of_the_budget()
    say(
        f"connections to Postgres, {during}",
        [
            f"{used} in use at once, the most of {found.looks} looks; the budget: {budget['used']}"
            f" ({budget['pods']} pods of {budget['perPod']}, {budget['jobs']} Jobs) of"
            f" {budget['allowed']}; max_connections: {server}",
            *(f"{n:4} {who}: {what or '-'}" for (who, what), n in sorted(found.most.items())),
        ],
    )
    assert budget["pods"] == REPLICAS + 1
    assert 0 < used <= budget["used"] <= budget["allowed"] < server


def at_work(bed: Bed) -> int:
    """Pods of which answers were shipped to Postgres."""
    return int(sql(bed, "SELECT count(DISTINCT pod) FROM chains WHERE delivered > 2")[0][0])


def test_twenty_pods_at_work_stay_within_the_budget(many: Bed) -> None:
    with watched(many) as found, under_load(many, NAME, threads=4, customers=10_000) as load:
        wait_for("all of them have answered", lambda: at_work(many) >= REPLICAS, SECONDS)
        wait_for("it was looked often enough", lambda: found.looks >= 10, SECONDS)
    assert not [one for one in load.failed if "status 5" in one]
    holds_against_the_budget(many, f"{REPLICAS} pods at work", found)


def test_pods_that_go_and_pods_that_come_stay_within_it_together(many: Bed) -> None:
    deployment = f"deployment/{NAME}-scorer"
    with watched(many) as found, under_load(many, NAME, customers=10_000) as load:
        many.kubectl("rollout", "restart", deployment)
        many.kubectl("rollout", "status", deployment, f"--timeout={SECONDS:.0f}s")
    assert not [one for one in load.failed if "status 5" in one]
    holds_against_the_budget(many, f"{REPLICAS} pods replaced", found)
