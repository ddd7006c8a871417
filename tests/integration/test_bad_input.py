"""What no rule of the CRD can refuse: it stalls the detector with the field's path, what runs goes
on, and putting it right is enough."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bucket import Bucket
from tests.support.kubelet import roll_out, scorer_pods
from tests.support.process import Installation, Operator, wait_for

NOBODY = "nobody-has-it"


@pytest.fixture
def running(installation: Installation, operator: Operator, bucket: Bucket) -> Installation:
    installation.apply(bucket.detector())
    roll_out(installation, "cards", 2)
    return installation


def pods(at: Installation) -> set[str]:
    return set(scorer_pods(at, "cards"))


def condition(at: Installation, kind: str) -> dict[str, Any]:
    found = at.get("frauddetector", "cards") or {}
    return next((one for one in found["status"]["conditions"] if one["type"] == kind), {})


def wait_stalled(at: Installation, reason: str) -> str:
    """The message of that stall, of the spec as it is now."""
    generation = (at.get("frauddetector", "cards") or {})["metadata"]["generation"]

    def stalled() -> str | None:
        found = condition(at, "Stalled")
        current = found["observedGeneration"] == generation
        return found["message"] if current and found["reason"] == reason else None

    return wait_for(f"it is stalled for {reason}", stalled)


def wait_released(at: Installation) -> None:
    at.kubectl("wait", "frauddetector/cards", "--for=condition=Stalled=false", "--timeout=40s")


def test_secrets_that_nobody_has(running: Installation, bucket: Bucket) -> None:
    before = pods(running)
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": NOBODY, "key": "a"}}}
    running.apply(
        bucket.detector(
            scorer={"replicas": 2, "imagePullSecrets": [{"name": NOBODY}], "extraEnv": [variable]}
        )
    )
    message = wait_stalled(running, "ReferenceMissing")
    for path in (
        "spec.scorer.imagePullSecrets[0].name",
        "spec.scorer.extraEnv[0].valueFrom.secretKeyRef",
    ):
        assert f"{path}: Secret {running.namespace}/{NOBODY} does not exist" in message
    assert condition(running, "Ready")["status"] == "False"
    assert pods(running) == before

    # The rest is looked after as ever.
    running.kubectl("delete", "service", "cards-scorer")
    wait_for("the Service", lambda: running.get("service", "cards-scorer"))

    # The Secret is all that is missing.
    running.kubectl("create", "secret", "generic", NOBODY, "--from-literal=a=b")
    wait_released(running)
    roll_out(running, "cards", 2)
    assert not pods(running) & before


def test_a_priority_class_that_nobody_has(running: Installation, bucket: Bucket) -> None:
    before = pods(running)
    running.apply(bucket.detector(scorer={"replicas": 2, "priorityClassName": NOBODY}))
    message = wait_stalled(running, "PodsRefused")
    assert message.startswith("spec.scorer.priorityClassName: ")
    assert f"no PriorityClass with name {NOBODY} was found" in message
    assert pods(running) == before

    running.apply(bucket.detector())
    wait_released(running)
    running.kubectl("wait", "frauddetector/cards", "--for=condition=Ready", "--timeout=40s")
    assert pods(running) == before, "the old template is the same again"


def test_more_than_a_quota_allows(running: Installation, bucket: Bucket) -> None:
    before = pods(running)
    running.kubectl("create", "quota", "pods", "--hard=pods=2")
    wait_for(
        "the quota counts",
        lambda: (running.get("quota", "pods") or {}).get("status", {}).get("used") == {"pods": "2"},
    )
    running.apply(bucket.detector(scorer={"replicas": 3}))
    message = wait_stalled(running, "PodsRefused")
    assert message.startswith("spec.scorer: ")
    assert "exceeded quota: pods" in message
    assert pods(running) == before
    running.kubectl("delete", "quota", "pods")
    running.apply(bucket.detector())
    wait_released(running)
