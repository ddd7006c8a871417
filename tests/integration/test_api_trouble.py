"""An API server that is slow, asks for patience or goes away: no crash, no hot loop, and what was
missed is caught up with."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.bucket import Bucket
from tests.support.closing import say
from tests.support.process import Installation, Operator, wait_for
from tests.support.rough_api import RoughApi, rough_api

CHILDREN = ("serviceaccount", "configmap", "service", "deployment", "poddisruptionbudget")
MOST_A_SECOND = 15.0
"""Requests of an operator that is refused: a dozen watches, lists, a Lease and one detector."""

CATCH_UP = 15.0
"""Seconds within which what was missed is done, however long the server was away: a try at the
Lease, the lists, and the work."""


@pytest.fixture
def rough(installation: Installation, bucket: Bucket) -> Iterator[tuple[RoughApi, Operator]]:
    """An operator that leads, behind a proxy that behaves so far."""
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret())
    with (
        rough_api(installation) as (proxy, kubeconfig),
        installation.operator("operator", f"--kubeconfig={kubeconfig}") as operator,
    ):
        yield proxy, operator.wait_to_lead()


def scaled(installation: Installation, count: int) -> bool:
    found = installation.get("deployment", "cards-scorer")
    return found is not None and found["spec"]["replicas"] == count


def made(installation: Installation) -> bool:
    names = [name.split("/") for name in installation.names(*CHILDREN)]
    kinds = {kind.partition(".")[0] for kind, name in names if name.startswith("cards-")}
    return kinds == set(CHILDREN)


def unharmed(operator: Operator) -> None:
    """It is the same process, it leads, and nothing in it broke."""
    operator.leads()
    broken = [one["message"] for one in operator.logs() if "bug" in one["message"]]
    assert broken == []


def test_one_that_answers_slowly(
    installation: Installation, bucket: Bucket, rough: tuple[RoughApi, Operator]
) -> None:
    proxy, operator = rough
    proxy.delay = 1.5
    installation.apply(bucket.detector())
    wait_for("every child", lambda: made(installation), seconds=90)
    installation.kubectl("scale", "frauddetector/cards", "--replicas=3")
    wait_for("the change", lambda: scaled(installation, 3), seconds=60)
    assert operator.leads(), "a slow answer is no reason to give up the Lease"
    unharmed(operator)


def test_one_that_asks_for_patience(
    installation: Installation, bucket: Bucket, rough: tuple[RoughApi, Operator]
) -> None:
    proxy, operator = rough
    installation.apply(bucket.detector())
    wait_for("every child", lambda: made(installation))
    proxy.throttled = "2"
    installation.kubectl("scale", "frauddetector/cards", "--replicas=3")
    before, seconds = proxy.requests, 8.0
    time.sleep(seconds)  # what is counted is what it does in a span of time
    asked = proxy.requests - before
    proxy.throttled = ""
    wait_for("the change", lambda: scaled(installation, 3), seconds=60)
    wait_for("it leads again", operator.leads, seconds=60)
    unharmed(operator)
    assert 0 < asked < MOST_A_SECOND * seconds / 2
    say(
        "API server in trouble",
        [f"429 with Retry-After 2: {asked / seconds:.1f} requests a second"],
    )


@pytest.mark.parametrize("seconds", [15.0, pytest.param(60.0, marks=pytest.mark.long)])
def test_one_that_goes_away(
    installation: Installation,
    bucket: Bucket,
    rough: tuple[RoughApi, Operator],
    seconds: float,
) -> None:
    proxy, operator = rough
    installation.apply(bucket.detector())
    wait_for("every child", lambda: made(installation))
    before = proxy.requests
    with proxy.away():
        # Others reach it: the network of the operator alone is down.
        installation.kubectl("delete", "service", "cards-scorer")
        installation.kubectl("scale", "frauddetector/cards", "--replicas=3")
        time.sleep(seconds)  # the promise is about a span of time
        asked = proxy.requests - before
        assert operator.process.poll() is None
    back = time.monotonic()
    wait_for("the change", lambda: scaled(installation, 3), seconds=60)
    wait_for("the Service", lambda: installation.get("service", "cards-scorer"), seconds=60)
    took = time.monotonic() - back
    wait_for("it leads again", operator.leads, seconds=60)
    unharmed(operator)
    assert took < CATCH_UP
    assert 0 < asked < MOST_A_SECOND * seconds
    tries = f"{asked / seconds:.1f} tries a second"
    said = f"away for {seconds:.0f} s: {tries}, caught up {took:.0f} s after"
    say("API server in trouble", [said])
