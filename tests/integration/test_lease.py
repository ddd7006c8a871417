"""Two operators, one writer: whatever becomes of the leader."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.closing import say
from tests.support.process import Installation, Operator, wait_for

HOLD_SECONDS = 10.0
"""For how long a Lease is held after its last renewal."""


@pytest.fixture
def pair(installation: Installation, bucket: Bucket) -> Iterator[tuple[Operator, Operator]]:
    """A leader and a standby, both with a complete view."""
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret(), bucket.detector())
    with ExitStack() as processes:
        leader = processes.enter_context(installation.operator("first")).wait_to_lead()
        wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
        standby = processes.enter_context(installation.operator("second"))
        wait_for(
            "the standby waits for the Lease",
            lambda: any(one["message"] == "waiting for the Lease" for one in standby.logs()),
            seconds=60,
        )
        yield leader, standby


def holder(installation: Installation) -> str:
    return str(lease(installation)["holderIdentity"])


def lease(installation: Installation) -> dict[str, Any]:
    """What it says, all at one moment."""
    found = installation.get("lease", "fraud-operator")
    assert found is not None
    spec: dict[str, Any] = found["spec"]
    return spec


def takeover_seconds(installation: Installation, leader: str, successor: str) -> float:
    """Between the last renewal (or release) by the one and the first write by the other."""
    renewed: list[datetime] = []

    def taken_over() -> datetime | None:
        seen = lease(installation)
        if seen["holderIdentity"] == successor:
            return datetime.fromisoformat(seen["acquireTime"])
        renewed.append(datetime.fromisoformat(seen["renewTime"]))
        return None

    acquired = wait_for(f"{successor} takes over from {leader}", taken_over)
    return (acquired - renewed[-1]).total_seconds()


def works(installation: Installation) -> None:
    """Whoever leads repairs."""
    installation.kubectl("delete", "service", "cards-scorer", "--ignore-not-found")
    wait_for("the Service", lambda: installation.get("service", "cards-scorer"), seconds=60)


def test_a_stopped_leader_is_followed_at_once(
    installation: Installation, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    stopped = datetime.now(UTC)
    leader.process.terminate()
    wait_for("the standby leads", lambda: holder(installation) == "second", seconds=60)
    acquired = datetime.fromisoformat(lease(installation)["acquireTime"])
    took = (acquired - stopped).total_seconds()
    assert took < HOLD_SECONDS, "it was given back, so nobody waited for its end"
    say("leaders", [f"one that is stopped is followed after {took:.1f} s"])
    assert leader.process.wait(20) == 0
    wait_for("it knows", standby.leads)
    works(installation)


def test_a_killed_leader_is_followed_when_its_hold_has_ended(
    installation: Installation, pair: tuple[Operator, Operator], audit: AuditLog
) -> None:
    leader, standby = pair
    leader.process.kill()
    leader.process.wait()
    took = takeover_seconds(installation, "first", "second")
    assert took > HOLD_SECONDS - 1, "until then the other may be alive"
    say("leaders", [f"one that is killed is followed after {took:.1f} s"])
    wait_for("it knows", standby.leads)
    writes = [
        entry
        for entry in audit.entries(installation.user)
        if entry.writes and entry.resource not in ("leases", "frauddetectors/status", "events")
    ]
    assert writes == [], "the successor did again what was done"
    works(installation)


@pytest.mark.parametrize("least", [0.0, pytest.param(60.0, marks=pytest.mark.long)])
def test_a_paused_leader_does_no_harm_on_waking(
    installation: Installation, pair: tuple[Operator, Operator], least: float
) -> None:
    """Both are the same user to the API server, so each is asked what it sent."""
    leader, standby = pair
    written = [leader.writes()]

    def quiet() -> bool:
        time.sleep(2)
        written.append(leader.writes())
        return written[-2] == written[-1]

    wait_for("the leader has nothing left to do", quiet)
    assert written[-1] > 0
    leader.send(signal.SIGSTOP)
    paused = time.monotonic()
    wait_for("the standby leads", lambda: holder(installation) == "second", seconds=60)
    wait_for("it knows", standby.leads)
    # What it would carry out if it still thought that it leads.
    installation.kubectl("scale", "frauddetector/cards", "--replicas=3")

    def scaled() -> bool:
        found = installation.get("deployment", "cards-scorer")
        return found is not None and found["spec"]["replicas"] == 3

    wait_for("the new leader works", scaled, seconds=60)
    time.sleep(max(0.0, paused + least - time.monotonic()))  # connections may die of it
    leader.send(signal.SIGCONT)
    wait_for(
        "the old one notices",
        lambda: any(one["message"] == "lost the Lease" for one in leader.logs()),
    )
    assert not leader.leads()
    assert holder(installation) == "second"
    works(installation)
    assert leader.writes() == written[-1]
    assert leader.process.poll() is None, "it stands by"


def test_a_leader_killed_in_the_middle_of_much_work_leaves_nothing_undone_or_done_twice(
    installation: Installation, pair: tuple[Operator, Operator], bucket: Bucket, audit: AuditLog
) -> None:
    leader, standby = pair
    names = [f"many-{number}" for number in range(30)]
    for name in names:
        bucket.publish(f"{name}/", "v1")
    audit.mark()

    def made(kind: str) -> int:
        return len([one for one in installation.names(kind) if "/many-" in one])

    before = leader.writes()
    with ThreadPoolExecutor() as meanwhile:
        detectors = [bucket.detector(name, scorer={"replicas": 1}) for name in names]
        applied_all = meanwhile.submit(installation.apply, *detectors)
        wait_for("a part of the work is done", lambda: leader.writes() > before + len(names))
        leader.process.kill()
        leader.process.wait()
        applied_all.result()
    assert made("deployments") < len(names), "it was to be killed before it was through"
    wait_for("the standby leads", standby.leads, seconds=60)
    kinds = ("deployments", "services", "serviceaccounts", "poddisruptionbudgets", "configmaps")
    for kind in kinds:
        of_one = 2 if kind == "services" else 1  # the scorers', and that of siblings
        wait_for(
            f"all {kind}",
            lambda: made(kind) == of_one * len(names),  # noqa: B023
            seconds=60,
        )
    # A write that the leader did not see answered may have taken effect: that is not done again.
    applied = Counter(
        (one.resource, one.name)
        for one in audit.entries(installation.user)
        if one.verb == "patch" and one.name.startswith("many-") and one.group != "fraudops.io"
        if one.code < 300
    )
    assert len(applied) > (len(kinds) - 1) * len(names)
    # The model plan is written when a version is found, and when it is proven.
    most = {"configmaps": 2}
    assert [what for what, times in applied.items() if times > most.get(what[0], 1)] == []
