"""From kubectl apply to Ready and back to nothing, through kopf's watches and a real API server."""

from __future__ import annotations

import json

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.kubelet import make_ready
from tests.support.process import Installation, Operator, wait_for

CHILDREN = {
    "serviceaccount/cards-scorer",
    "configmap/cards-model-plan",
    "service/cards-scorer",
    "deployment.apps/cards-scorer",
    "poddisruptionbudget.policy/cards-scorer",
}
KINDS = ("serviceaccounts", "configmaps", "services", "deployments", "poddisruptionbudgets", "hpa")


def test_a_detector_lives_and_dies(
    audit: AuditLog, installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(bucket.detector())
    wait_for("the children", lambda: installation.names(*KINDS) >= CHILDREN)
    make_ready(installation, "cards", 2)
    installation.kubectl("wait", "frauddetector/cards", "--for=condition=Ready", "--timeout=90s")

    detector = installation.get("frauddetector", "cards")
    assert detector is not None
    assert detector["status"]["model"]["activeVersion"] == "v1"
    assert detector["status"]["observedGeneration"] == detector["metadata"]["generation"]
    for name in CHILDREN:
        child = installation.get(*name.split("/"))
        assert child is not None
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == detector["metadata"]["uid"]
        assert owner["controller"]

    # kopf leaves no trace: no annotation, no finalizer, not one write, no Event.
    assert "finalizers" not in detector["metadata"]
    assert "kopf" not in json.dumps(detector).lower()
    mine = audit.entries(installation.user)
    assert any(entry.user_agent == "fraud-operator-watch" for entry in mine), "kopf did not watch"
    assert not [e for e in mine if e.user_agent == "fraud-operator-watch" and e.writes]
    events = [entry for entry in mine if entry.writes and entry.resource == "events"]
    assert 1 <= len(events) <= 3
    statuses = [entry for entry in mine if entry.resource == "frauddetectors/status"]
    assert len(statuses) <= 6, "a status for every little thing (pods cannot be scheduled here)"

    installation.kubectl("delete", "frauddetector", "cards", "--timeout=90s")
    wait_for("nothing is left", lambda: not installation.names(*KINDS) & CHILDREN, seconds=60)
    installation.kubectl("wait", "--for=delete", "deployment/cards-scorer", "--timeout=90s")


def test_a_change_reaches_the_deployment(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    installation.kubectl("scale", "frauddetector/cards", "--replicas=3")

    def scaled() -> bool:
        found = installation.get("deployment", "cards-scorer")
        return found is not None and found["spec"]["replicas"] == 3

    wait_for("three replicas", scaled, seconds=60)


def test_a_new_version_in_the_store_is_followed(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    bucket.publish("cards/", "v2", day=2)
    try:

        def plans() -> bool:
            found = installation.get("configmap", "cards-model-plan")
            return found is not None and any('"v2"' in text for text in found["data"].values())

        wait_for("a plan with v2", plans, seconds=60)
    finally:
        for file in ("manifest.json", "model.fdm"):
            bucket.client.delete_object(Bucket="fraud-models", Key=f"cards/v2/{file}")
