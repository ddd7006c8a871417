"""What people do to children by hand comes back, with an Event that says who did what."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.closing import say
from tests.support.process import Installation, Operator, wait_for

EDITS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "scaled": ("deployment", "cards-scorer", {"spec": {"replicas": 7}}, "spec.replicas"),
    "label": (
        "service",
        "cards-scorer",
        {"metadata": {"labels": {"app.kubernetes.io/part-of": "mine"}}},
        "metadata.labels[app.kubernetes.io/part-of]",
    ),
    "removed": (
        "service",
        "cards-scorer",
        {"metadata": {"labels": {"app.kubernetes.io/component": None}}},
        "metadata.labels[app.kubernetes.io/component]",
    ),
    "selector": ("service", "cards-scorer", {"spec": {"selector": {"a": "b"}}}, "spec.selector"),
    "ports": (
        "service",
        "cards-scorer",
        {"spec": {"ports": [{"port": 80, "name": "http", "targetPort": 1234}]}},
        "targetPort",
    ),
    "budget": (
        "poddisruptionbudget",
        "cards-scorer",
        {"spec": {"maxUnavailable": "100%"}},
        "spec.maxUnavailable",
    ),
    "token": (
        "serviceaccount",
        "cards-scorer",
        {"automountServiceAccountToken": True},
        "automountServiceAccountToken",
    ),
}


CHILDREN = (
    ("configmap", "cards-model-plan"),
    ("service", "cards-scorer"),
    ("serviceaccount", "cards-scorer"),
    ("deployment", "cards-scorer"),
    ("poddisruptionbudget", "cards-scorer"),
    ("horizontalpodautoscaler", "cards-scorer"),
)
SOON = 3.0
"""Seconds within which everything is as it was. It takes a tenth of one on an idle machine."""


@pytest.fixture
def detector(installation: Installation, operator: Operator, bucket: Bucket) -> str:
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    return "cards"


@pytest.fixture
def autoscaled(installation: Installation, operator: Operator, bucket: Bucket) -> str:
    installation.apply(bucket.detector(autoscaling={"minReplicas": 2, "maxReplicas": 4}, scorer={}))
    wait_for("the HPA", lambda: installation.get("hpa", "cards-scorer"))
    return "cards"


def spec_of(installation: Installation, kind: str, name: str) -> Callable[[], Any]:
    def read() -> Any:
        found = installation.get(kind, name)
        if found is None:
            return None
        for noise in ("managedFields", "resourceVersion", "generation", "uid"):
            found["metadata"].pop(noise, None)
        found["metadata"].pop("creationTimestamp")
        found.pop("status", None)
        return found

    return read


def healed(audit: AuditLog, installation: Installation, kind: str, name: str) -> float:
    """Seconds from the first answered write to an object to the operator's answered own."""
    writes = [
        entry
        for entry in audit.writes()
        if (entry.resource, entry.name, entry.namespace)
        == (f"{kind}s", name, installation.namespace)
    ]
    theirs = next(entry for entry in writes if entry.user != installation.user)
    ours = next(entry for entry in writes if entry.user == installation.user)
    return (ours.answered - theirs.answered).total_seconds()


def told(installation: Installation, detector: str, *what: str) -> str:
    """The message of the Event that says so."""
    return wait_for(
        f"an Event about {what}",
        lambda: next(
            (
                said
                for said in installation.events("DriftReverted", detector)
                if all(part in said for part in what)
            ),
            None,
        ),
        seconds=60,
    )


def test_edits_are_put_back_and_named(
    installation: Installation, detector: str, audit: AuditLog
) -> None:
    for edit, (kind, name, patch, field) in EDITS.items():
        read = spec_of(installation, kind, name)
        before = wait_for(f"{kind} {name}", read)
        audit.mark()
        installation.kubectl(
            "patch", kind, name, "--type=merge", f"--patch={json.dumps(patch)}",
            f"--field-manager=test-{edit}",
        )  # fmt: skip
        wait_for(f"{kind} is as it was ({edit})", lambda: read() == before, seconds=60)  # noqa: B023
        assert healed(audit, installation, kind, name) < SOON, edit
        # A field that was removed has no owner any more.
        told(
            installation, detector, field, name, "somebody" if edit == "removed" else f"test-{edit}"
        )


def test_a_deleted_child_comes_back(
    installation: Installation, autoscaled: str, audit: AuditLog
) -> None:
    took = []
    for kind, name in CHILDREN:
        found = wait_for(name, lambda: installation.get(kind, name))  # noqa: B023
        uid = found["metadata"]["uid"]
        audit.mark()
        installation.kubectl("delete", kind, name, "--wait=false")

        def again() -> bool:
            found = installation.get(kind, name)  # noqa: B023
            return found is not None and found["metadata"]["uid"] != uid  # noqa: B023

        wait_for(f"another {kind} {name}", again, seconds=60)
        took.append(healed(audit, installation, kind, name))
        assert took[-1] < SOON, kind
        told(installation, autoscaled, f"somebody deleted {found['kind']} {name}")
    say("drift", [f"a deleted child is back after {statistics.median(took):.2f} s (median)"])


def test_fields_of_others_are_left_alone(
    installation: Installation, detector: str, operator: Operator, audit: AuditLog
) -> None:
    installation.kubectl("annotate", "deployment", "cards-scorer", "team/contact=fraud")
    installation.kubectl("label", "service", "cards-scorer", "team=fraud")
    reconciles = operator.metric("fraud_operator_reconciles_total")
    wait_for(
        "the operator saw it",
        lambda: operator.metric("fraud_operator_reconciles_total") > reconciles,
    )
    audit.mark()
    wait_for("it is idle", lambda: operator.metric("fraud_operator_queue_active") == 0)
    writes = [e for e in audit.entries(installation.user) if e.writes and e.resource != "leases"]
    assert writes == []
    deployment = installation.get("deployment", "cards-scorer")
    assert deployment is not None
    assert deployment["metadata"]["annotations"]["team/contact"] == "fraud"


def test_an_orphaned_child_gets_its_owner_back(installation: Installation, detector: str) -> None:
    installation.kubectl(
        "patch", "service", "cards-scorer", "--type=json",
        '--patch=[{"op": "remove", "path": "/metadata/ownerReferences"}]',
    )  # fmt: skip

    def owned() -> bool:
        found = installation.get("service", "cards-scorer")
        return found is not None and "ownerReferences" in found["metadata"]

    wait_for("an owner", owned, seconds=60)


def test_a_child_without_its_label_is_found_again(
    installation: Installation, detector: str
) -> None:
    installation.kubectl("label", "service", "cards-scorer", "fraudops.io/detector-")

    def labelled() -> bool:
        found = installation.get("service", "cards-scorer")
        return found is not None and "fraudops.io/detector" in found["metadata"]["labels"]

    wait_for("the label", labelled, seconds=60)
