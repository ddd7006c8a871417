"""Every field that is applied is tracked as ours by the server, replicas change hands safely."""

from __future__ import annotations

from typing import Any

from fraud_operator.apply import fields
from fraud_operator.apply.applier import HASH_ANNOTATION
from fraud_operator.apply.replicas import HOLDER
from fraud_operator.runtime.kube import FIELD_MANAGER
from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.kubelet import make_ready
from tests.support.process import Installation, Operator, wait_for

CHILDREN = (
    ("serviceaccount", "cards-scorer"),
    ("configmap", "cards-model-plan"),
    ("service", "cards-scorer"),
    ("deployment", "cards-scorer"),
    ("poddisruptionbudget", "cards-scorer"),
    ("hpa", "cards-scorer"),
)


def autoscaled(bucket: Bucket, least: int = 3) -> dict[str, Any]:
    detector = bucket.detector(autoscaling={"minReplicas": least, "maxReplicas": 9})
    del detector["spec"]["scorer"]
    return detector


def holders(deployment: dict[str, Any]) -> set[str]:
    return set(fields.owners(deployment, ("spec", "replicas"), but=""))


def test_the_server_tracks_every_field(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(autoscaled(bucket))
    for kind, name in CHILDREN:
        child = wait_for(f"{kind} {name}", lambda: installation.get(kind, name))  # noqa: B023
        assert fields.applied_by(child, FIELD_MANAGER), f"{kind} was not applied by us"
        assert HASH_ANNOTATION in child["metadata"]["annotations"]
    said = [one["message"] for one in operator.logs() if "does not track" in one["message"]]
    assert said == []


def test_a_deployment_for_an_autoscaler_starts_with_its_least(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(autoscaled(bucket))

    def held() -> dict[str, Any] | None:
        found = installation.get("deployment", "cards-scorer")
        return found if found and found["spec"]["replicas"] == 3 else None

    deployment = wait_for("three replicas", held)
    assert holders(deployment) == {HOLDER}
    wait_for("the autoscaler", lambda: installation.get("hpa", "cards-scorer"))


def test_replicas_change_hands_without_losing_a_pod(
    installation: Installation, operator: Operator, bucket: Bucket, audit: AuditLog
) -> None:
    installation.apply(bucket.detector(scorer={"replicas": 5}))
    make_ready(installation, "cards", 5)
    deployment = wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    assert holders(deployment) == {FIELD_MANAGER}
    pods = installation.names("pods")

    installation.apply(autoscaled(bucket))
    wait_for("the autoscaler", lambda: installation.get("hpa", "cards-scorer"))
    deployment = installation.get("deployment", "cards-scorer") or {}
    assert deployment["spec"]["replicas"] == 5
    assert FIELD_MANAGER not in holders(deployment)

    # The autoscaler, or a person in its stead, takes the number over.
    installation.kubectl("scale", "deployment/cards-scorer", "--replicas=6")
    make_ready(installation, "cards", 6)
    deployment = installation.get("deployment", "cards-scorer") or {}
    assert deployment["spec"]["replicas"] == 6
    assert not holders(deployment) & {FIELD_MANAGER, HOLDER}

    installation.apply(bucket.detector(scorer={"replicas": 6}))
    wait_for("no autoscaler", lambda: installation.get("hpa", "cards-scorer") is None)
    deployment = installation.get("deployment", "cards-scorer") or {}
    assert deployment["spec"]["replicas"] == 6
    assert FIELD_MANAGER in holders(deployment)
    assert installation.names("pods") >= pods, "a pod was lost on the way"
