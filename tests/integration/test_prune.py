"""What a plan no longer wants goes; what only looks like ours stays."""

from __future__ import annotations

from tests.support.bucket import Bucket
from tests.support.process import Installation, Operator, wait_for


def test_an_autoscaler_goes_with_its_section(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    autoscaled = bucket.detector(autoscaling={"minReplicas": 2, "maxReplicas": 4})
    del autoscaled["spec"]["scorer"]
    installation.apply(autoscaled)
    wait_for("an autoscaler", lambda: installation.get("hpa", "cards-scorer"))
    installation.apply(bucket.detector())
    wait_for("no autoscaler", lambda: installation.get("hpa", "cards-scorer") is None)
    deployment = installation.get("deployment", "cards-scorer")
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2


def test_leftovers_of_ours_go_and_look_alikes_stay(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(bucket.detector())
    detector = wait_for("the detector", lambda: installation.get("frauddetector", "cards"))
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    labels = {"fraudops.io/detector": "cards"}
    ours = {
        "apiVersion": "fraudops.io/v1beta1",
        "kind": "FraudDetector",
        "name": "cards",
        "uid": detector["metadata"]["uid"],
        "controller": True,
    }

    def config(name: str, **metadata: object) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, **metadata},
            "data": {},
        }

    installation.apply(
        config("only-labelled", labels=labels),
        config("only-owned", ownerReferences=[ours]),
        config("leftover", labels=labels, ownerReferences=[ours]),
    )
    wait_for("the leftover is gone", lambda: installation.get("configmap", "leftover") is None)
    # A reconciliation that prunes has come after all three.
    assert installation.get("configmap", "only-labelled") is not None
    assert installation.get("configmap", "only-owned") is not None
