"""How far a Deployment's roll-out is, from its status."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.plan.types import Manifested


@dataclass(frozen=True, slots=True)
class Rollout:
    """Counts of pods, and what went wrong."""

    wanted: int
    existing: int
    updated: int
    ready: int
    available: int
    noticed: bool
    """Whether the Deployment controller has seen the newest spec."""
    failed: str
    """Why the Deployment controller gave up; empty while it did not."""
    refused: str
    """Why the API server takes no new pod; empty while it does."""

    @property
    def replaced(self) -> bool:
        """No pod of an older template is left."""
        return self.noticed and self.updated == self.existing


def rollout(deployment: Manifested | None) -> Rollout | None:
    """None where there is no Deployment."""
    if deployment is None:
        return None
    status = deployment.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    progressing = conditions.get("Progressing", {})
    noticed = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return Rollout(
        wanted=deployment.get("spec", {}).get("replicas", 1),
        existing=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        noticed=noticed,
        failed=progressing.get("message", "")
        if noticed and progressing.get("reason") == "ProgressDeadlineExceeded"
        else "",
        refused=conditions.get("ReplicaFailure", {}).get("message", "") if noticed else "",
    )
