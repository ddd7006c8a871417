"""A detector with Redis and Postgres, at a real API server with its controllers: what is made, what
outlives it and is taken back, how a volume grows, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fraud_operator.plan.children import POSTGRES, REDIS
from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.process import Installation, Operator, wait_for
from tests.support.virtual_node import VirtualNode

DATA = "data-cards-postgres-0"
SECRETS = ("cards-postgres-app", "cards-postgres-owner")


@pytest.fixture
def specs(bucket: Bucket, storage_class: str) -> Callable[..., dict[str, Any]]:
    """The detector `cards` with both stores."""

    def made(**managed: Any) -> dict[str, Any]:
        postgres = {"storage": "1Gi", "storageClass": storage_class, **managed}
        return bucket.detector(
            redis={"managed": {}},
            postgres={"managed": postgres},
            scoring={"whenUnavailable": "Review"},
        )

    return made


def condition(installation: Installation, type_: str) -> dict[str, Any]:
    found = installation.get("frauddetector", "cards")
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == type_), {})


def is_so(installation: Installation, type_: str, status: str) -> Callable[[], Any]:
    def look() -> Any:
        found = condition(installation, type_)
        return found if found.get("status") == status else None

    return look


def password(installation: Installation, secret: str) -> str:
    found = installation.get("secret", secret)
    assert found is not None
    value: str = found["data"]["password"]
    return value


def uid(installation: Installation, kind: str, name: str) -> str:
    found = installation.get(kind, name)
    assert found is not None, f"{kind} {name}"
    value: str = found["metadata"]["uid"]
    return value


def test_from_nothing_to_ready_in_order(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
) -> None:
    node.down = {POSTGRES}
    installation.apply(specs())
    wait_for("RedisReady", is_so(installation, "RedisReady", "True"))
    wait_for("the model", is_so(installation, "ModelVerified", "True"))
    assert condition(installation, "PostgresReady")["status"] != "True"
    assert condition(installation, "SchemaReady")["reason"] == "WaitingForPostgres"
    assert installation.get("deployment", "cards-scorer") is None
    assert not node.migrated

    node.down = set()
    wait_for("Ready", is_so(installation, "Ready", "True"))
    assert len(node.migrated) == 1
    for type_ in ("RedisReady", "PostgresReady", "SchemaReady"):
        assert condition(installation, type_)["status"] == "True", type_

    status = installation.get("frauddetector", "cards")["status"]  # type: ignore[index]
    assert status["stores"]["postgres"]["ready"] is True
    assert status["stores"]["schema"]["state"] == "UpToDate"
    assert (
        status["effective"]["connections"]["used"] <= status["effective"]["connections"]["allowed"]
    )

    node.down = {POSTGRES, REDIS}
    wait_for("PostgresReady", is_so(installation, "PostgresReady", "False"))
    wait_for("RedisReady", is_so(installation, "RedisReady", "False"))
    assert condition(installation, "Ready")["status"] == "True", "no answer waits for a store"


def test_passwords_and_data_outlive_the_detector_and_are_taken_back(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
) -> None:
    installation.apply(specs())
    wait_for("Ready", is_so(installation, "Ready", "True"))
    for secret in SECRETS:
        found = installation.get("secret", secret)
        assert found is not None
        assert "ownerReferences" not in found["metadata"]
        assert "app.kubernetes.io/instance" not in found["metadata"]["labels"]
    claim = installation.get("pvc", DATA)
    assert claim is not None
    assert "ownerReferences" not in claim["metadata"]
    assert "app.kubernetes.io/instance" not in claim["metadata"]["labels"]
    before = [password(installation, one) for one in SECRETS], uid(installation, "pvc", DATA)

    installation.kubectl("delete", "frauddetector", "cards")
    wait_for("the end", lambda: installation.get("statefulset", "cards-postgres") is None)
    wait_for("the end", lambda: installation.get("secret", "cards-redis-auth") is None)

    installation.apply(specs())
    wait_for("Ready", is_so(installation, "Ready", "True"))
    after = [password(installation, one) for one in SECRETS], uid(installation, "pvc", DATA)
    assert after == before


def test_what_is_to_be_deleted_goes_with_the_detector(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
) -> None:
    installation.apply(specs())
    wait_for("PostgresReady", is_so(installation, "PostgresReady", "True"))
    installation.apply(specs(retention="Delete"))
    wait_for(
        "the owner",
        lambda: (installation.get("secret", SECRETS[0]) or {})["metadata"].get("ownerReferences"),
    )
    wait_for(
        "the claim's owner",
        lambda: (installation.get("pvc", DATA) or {})["metadata"].get("ownerReferences"),
    )
    installation.kubectl("delete", "frauddetector", "cards")
    for secret in SECRETS:
        wait_for("the end", lambda secret=secret: installation.get("secret", secret) is None)
    wait_for(
        "the claim's end",
        lambda: (
            (found := installation.get("pvc", DATA)) is None
            or found["metadata"].get("deletionTimestamp")
        ),
    )


def test_a_volume_grows_and_no_pod_is_touched(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
) -> None:
    installation.apply(specs())
    wait_for("Ready", is_so(installation, "Ready", "True"))
    pod, pvc = uid(installation, "pod", "cards-postgres-0"), uid(installation, "pvc", DATA)
    was = uid(installation, "statefulset", "cards-postgres")

    installation.apply(specs(storage="3Gi"))

    def grown() -> Any:
        found = installation.get("statefulset", "cards-postgres")
        if found is None or found["metadata"]["uid"] == was:
            return None
        (claim,) = found["spec"]["volumeClaimTemplates"]
        return claim["spec"]["resources"]["requests"]["storage"] == "3Gi"

    wait_for("the StatefulSet anew", grown)
    claim = installation.get("pvc", DATA)
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    wait_for("Ready", is_so(installation, "Ready", "True"))
    wait_for(
        "the pod taken over",
        lambda: (
            (found := installation.get("pod", "cards-postgres-0"))
            and found["metadata"].get("ownerReferences", [{}])[0].get("uid") != was
        ),
    )
    assert uid(installation, "pod", "cards-postgres-0") == pod
    assert uid(installation, "pvc", DATA) == pvc
    wait_for("it said so", lambda: "grows from 1Gi to 3Gi" in condition(
        installation, "PostgresReady"
    ).get("message", ""))  # fmt: skip


def test_a_class_that_cannot_grow_is_said(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
    storage_class: str,
) -> None:
    installation.apply(specs())
    wait_for("Ready", is_so(installation, "Ready", "True"))
    patch = json.dumps({"allowVolumeExpansion": False})
    installation.kubectl("patch", "storageclass", storage_class, "--patch", patch)
    was = uid(installation, "statefulset", "cards-postgres")
    installation.apply(specs(storage="3Gi"))
    found = wait_for(
        "the condition",
        lambda: (
            (one := condition(installation, "PostgresReady")).get("reason") == "CannotGrow" and one
        ),
    )
    assert "allowVolumeExpansion" in found["message"]
    assert uid(installation, "statefulset", "cards-postgres") == was


def test_data_of_another_major_version_is_left_alone(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
) -> None:
    installation.apply(specs(version="16"))
    wait_for("Ready", is_so(installation, "Ready", "True"))
    installation.kubectl("delete", "frauddetector", "cards")
    wait_for("the end", lambda: installation.get("statefulset", "cards-postgres") is None)
    installation.apply(specs(version="17"))
    wait_for(
        "the condition",
        lambda: condition(installation, "PostgresReady").get("reason") == "ChangeRefused",
    )
    said = condition(installation, "Stalled")
    assert "is of Postgres 16: set it back to 16, or restore a backup" in said["message"]
    assert installation.get("statefulset", "cards-postgres") is None, "it would damage the data"


def test_nothing_is_written_once_it_is_settled(
    installation: Installation,
    operator: Operator,
    node: VirtualNode,
    specs: Callable[..., dict[str, Any]],
    audit: AuditLog,
) -> None:
    installation.apply(specs())
    wait_for("Ready", is_so(installation, "Ready", "True"))
    wait_for("it rests", lambda: operator.metric("fraud_operator_queue_waiting") == 0)
    before = operator.writes()
    reconciles = operator.metric("fraud_operator_reconciles_total")
    installation.kubectl("annotate", "frauddetector", "cards", "someone=looks")
    wait_for(
        "another look", lambda: operator.metric("fraud_operator_reconciles_total") > reconciles
    )
    assert operator.writes() == before
