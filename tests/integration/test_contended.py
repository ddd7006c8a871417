"""A rival that keeps changing what we own leads to Contended, not to a fight."""

from __future__ import annotations

from typing import Any

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.process import Installation, Operator, wait_for


def test_three_reverts_and_no_more(
    installation: Installation, operator: Operator, bucket: Bucket, audit: AuditLog
) -> None:
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))

    def replicas() -> int:
        found = installation.get("deployment", "cards-scorer")
        assert found is not None
        return int(found["spec"]["replicas"])

    def rival() -> None:
        installation.kubectl(
            "patch", "deployment", "cards-scorer", "--type=merge", "--field-manager=rival",
            '--patch={"spec": {"replicas": 8}}',
        )  # fmt: skip

    for _ in range(3):
        rival()
        wait_for("it is put back", lambda: replicas() == 2, seconds=60)
    audit.mark()
    rival()

    def contended() -> dict[str, Any] | None:
        detector = installation.get("frauddetector", "cards") or {}
        conditions = detector.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "Contended"), None)

    condition = wait_for("Contended", contended, seconds=60)
    assert condition["status"] == "True"
    assert "rival keeps changing spec.replicas of Deployment cards-scorer" in condition["message"]
    assert replicas() == 8
    applied = [
        entry
        for entry in audit.entries(installation.user)
        if entry.writes and entry.resource == "deployments"
    ]
    assert applied == []
    assert len(installation.events("DriftReverted", "cards")) == 3
    # The rest of the detector is looked after as ever.
    installation.kubectl("delete", "service", "cards-scorer")
    wait_for("the Service", lambda: installation.get("service", "cards-scorer"), seconds=60)
