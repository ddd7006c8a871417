"""`kubectl fraud doctor` on a real API server: an installation that works, and what breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fraud_operator.install import objects
from tests.cluster import Cluster
from tests.support.bucket import Bucket
from tests.support.fraud_cli import FraudCli, fraud_cli
from tests.support.kubelet import make_ready
from tests.support.process import SCORER_IMAGE, Installation, Operator, wait_for

Items = dict[str, dict[str, Any]]


@pytest.fixture
def fraud(crds: Cluster, namespace: str) -> FraudCli:
    return fraud_cli(crds, namespace)


@pytest.fixture
def deployed(installation: Installation) -> Installation:
    """The installation with its Deployment, whose pods say that they are ready."""
    options = objects.Options(
        namespace=installation.namespace,
        image="operator:1",
        scorer_image=SCORER_IMAGE,
        watched=installation.namespace,
    )
    installation.apply(objects.deployment(options))
    selector = "app.kubernetes.io/name=fraud-operator"

    def pods() -> list[str] | None:
        text = installation.kubectl("get", "pods", "--output=name", f"--selector={selector}")
        return text.split() if len(text.split()) == 2 else None

    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    patch = json.dumps({"status": {"phase": "Running", "conditions": [ready]}})
    for pod in wait_for("the operator's pods", pods):
        installation.kubectl(
            "patch", pod, "--subresource=status", "--type=merge", f"--patch={patch}"
        )
    installation.kubectl(
        "wait", "deployment/fraud-operator", "--for=condition=Available", "--timeout=60s"
    )
    return installation


def examined(fraud: FraudCli, *flags: str) -> tuple[int, Items]:
    answer = fraud("doctor", "--operator-namespace", fraud.namespace, "-o", "json", *flags)
    assert answer.code in (0, 2), answer
    return answer.code, {item["check"]: item for item in answer.data["items"]}


def levels(items: Items, *checks: str) -> dict[str, str]:
    return {check: items[check]["level"] for check in checks}


def test_an_installation_that_works_and_its_detector(
    deployed: Installation, operator: Operator, bucket: Bucket, fraud: FraudCli
) -> None:
    deployed.apply(bucket.detector())
    make_ready(deployed, "cards", 2)
    deployed.kubectl("wait", "frauddetector/cards", "--for=condition=Ready", "--timeout=60s")
    code, items = examined(fraud)
    assert levels(items, *(check for check in items if not check.startswith("cluster."))) == {
        "installation.crds": "ok",
        "installation.operator": "ok",
        "installation.lease": "ok",
        "permissions.operator": "ok",
        "permissions.user": "ok",
        "detector.spec": "ok",
        "detector.ready": "ok",
        "detector.contended": "ok",
        "detector.replicas": "ok",
        "detector.disruption": "ok",
        "detector.spread": "skip",
        "detector.resources": "warn",
        "detector.image": "warn",
        "detector.model": "warn",
        "detector.verified": "ok",
        "detector.rollout": "warn",
        "detector.signed": "warn",
        "detector.backup": "warn",
        "detector.credentials": "warn",
        "detector.autoscaler": "skip",
        "detector.upgrade": "ok",
    }
    assert items["cluster.version"]["message"] == fraud.cluster.version
    assert items["installation.lease"]["message"] == f"{operator.name} leads"
    assert items["detector.ready"]["detector"] == f"{fraud.namespace}/cards"
    failed = [item for item in items.values() if item["level"] == "fail"]
    assert code == (2 if failed else 0)

    text = fraud("doctor", "--operator-namespace", fraud.namespace)
    assert text.code == code
    assert f"\nFraudDetector {fraud.namespace}/cards\n  ok    Spec" in text.out
    assert "→ set spec.scorer.image to name@sha256:…" in text.out


def test_a_right_that_the_operator_lacks_is_named(deployed: Installation, fraud: FraudCli) -> None:
    _, items = examined(fraud)
    assert items["permissions.operator"]["level"] == "ok"
    deployed.kubectl("delete", "rolebinding", "fraud-operator-leader-election")
    code, items = examined(fraud)
    assert code == 2
    found = items["permissions.operator"]
    assert found["level"] == "fail"
    user = f"system:serviceaccount:{fraud.namespace}:fraud-operator"
    assert f"{user} may not get leases.coordination.k8s.io in {fraud.namespace}" in found["message"]
    assert items["installation.lease"]["level"] == "fail"


def test_an_operator_that_is_not_there(crds: Cluster, fraud: FraudCli) -> None:
    code, items = examined(fraud)
    assert code == 2
    assert levels(items, "installation.operator", "installation.lease") == {
        "installation.operator": "fail",
        "installation.lease": "fail",
    }
    assert items["permissions.operator"]["level"] == "skip"


def test_an_operator_outside_of_the_cluster(operator: Operator, fraud: FraudCli) -> None:
    _, items = examined(fraud)
    assert items["installation.operator"]["level"] == "warn"
    assert "an operator runs elsewhere" in items["installation.operator"]["message"]
    assert items["installation.lease"]["level"] == "ok"


def test_a_user_who_may_only_view(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    if fraud.cluster.provider != "local":
        pytest.skip("only a local cluster signs certificates for other users")
    installation.apply(bucket.detector())
    installation.kubectl("create", "rolebinding", "viewers", "--clusterrole=view", "--user=vera")
    _, items = examined(fraud.user("vera"))
    assert levels(items, "cluster.version", "cluster.nodes", "installation.crds") == {
        "cluster.version": "ok",
        "cluster.nodes": "skip",
        "installation.crds": "skip",
    }
    assert levels(items, "permissions.operator", "permissions.user", "detector.spec") == {
        "permissions.operator": "skip",
        "permissions.user": "warn",
        "detector.spec": "ok",
    }
    assert "kubectl fraud plan" in items["permissions.user"]["message"]


def test_a_user_who_may_nothing(fraud: FraudCli) -> None:
    if fraud.cluster.provider != "local":
        pytest.skip("only a local cluster signs certificates for other users")
    _, items = examined(fraud.user("stranger"))
    assert items["detector.list"]["level"] == "skip"
    assert "shows less than there is" in items["permissions.user"]["message"]


def test_all_namespaces_are_examined(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    installation.apply(bucket.detector())
    elsewhere = FraudCli(fraud.cluster, "default", fraud.kubeconfig)
    found = elsewhere("doctor", "-A", "-o", "json").data["items"]
    assert f"{fraud.namespace}/cards" in {item["detector"] for item in found}
    found = elsewhere("doctor", "-o", "json").data["items"]
    assert f"{fraud.namespace}/cards" not in {item["detector"] for item in found}
