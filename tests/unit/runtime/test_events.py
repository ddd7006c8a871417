"""Events are recorded once and never in the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fraud_operator.plan.types import Event
from fraud_operator.runtime.events import Recorder
from fraud_operator.runtime.kinds import EVENT, FRAUD_DETECTOR
from fraud_operator.runtime.kube import WritesForbidden
from tests.support.kube import FakeKube, Write, refusal

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
DETECTOR = {
    "apiVersion": "fraudops.io/v1beta1",
    "kind": "FraudDetector",
    "metadata": {"name": "cards", "namespace": "fraud"},
    "spec": {},
}


@pytest.fixture
def kube() -> FakeKube:
    kube = FakeKube()
    kube.put(DETECTOR)
    return kube


async def record(kube: FakeKube, event: Event) -> None:
    about = kube.read(FRAUD_DETECTOR, "fraud", "cards")
    await Recorder(kube, "operator-1", now=lambda: NOW).record(about, event)


def recorded(kube: FakeKube) -> list[str]:
    return [name for kind, _, name in kube.objects if kind == "Event"]


async def test_an_event_is_about_its_object(kube: FakeKube) -> None:
    await record(kube, Event("Warning", "DriftReverted", "somebody did something"))
    (name,) = recorded(kube)
    event = kube.read(EVENT, "fraud", name)
    assert event["involvedObject"]["uid"] == "FraudDetector-1"
    assert event["involvedObject"]["kind"] == "FraudDetector"
    assert (event["type"], event["reason"]) == ("Warning", "DriftReverted")
    assert event["lastTimestamp"] == "2026-01-02T03:04:05Z"
    assert event["reportingComponent"] == "fraud-operator"


async def test_the_same_event_at_the_same_moment_is_one(kube: FakeKube) -> None:
    for _ in range(3):
        await record(kube, Event("Normal", "Serving", "v1 answers"))
    await record(kube, Event("Normal", "Serving", "v2 answers"))
    assert len(recorded(kube)) == 2


async def test_a_message_is_cut_to_what_the_server_takes(kube: FakeKube) -> None:
    await record(kube, Event("Normal", "Long", "x" * 5000))
    (name,) = recorded(kube)
    assert len(kube.read(EVENT, "fraud", name)["message"]) == 1024


@pytest.mark.parametrize("status", [0, 403, 404, 429, 500])
async def test_a_failure_to_record_is_no_failure(kube: FakeKube, status: int) -> None:
    def fail(write: Write) -> None:
        raise refusal(status, "Whatever")

    kube.before = fail
    await record(kube, Event("Normal", "Serving", "v1 answers"))
    assert recorded(kube) == []


async def test_who_must_not_write_hears_of_it(kube: FakeKube) -> None:
    def fail(write: Write) -> None:
        raise WritesForbidden("not the leader")

    kube.before = fail
    with pytest.raises(WritesForbidden):
        await record(kube, Event("Normal", "Serving", "v1 answers"))
