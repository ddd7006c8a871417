"""How a store that the operator runs is, and why it is not ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fraud_operator.api import quantities
from fraud_operator.plan.stores.names import claim_name
from fraud_operator.plan.stores.workload import Workload
from fraud_operator.plan.trouble import trouble
from fraud_operator.plan.types import Inputs, Manifested

BINDING_SECONDS = 60.0
"""Within which a new claim gets its volume where all is well."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """`why` is empty while it is ready, or on its way."""

    ready: bool
    why: str


def store_state(workload: Workload, pods: Sequence[Manifested], inputs: Inputs) -> StoreState:
    """From its StatefulSet, its pod and its claim."""
    there = inputs.observed.children.get(("StatefulSet", workload.name))
    if there is None:
        # While it is made anew around its pod, that goes on.
        return StoreState(ready=any(map(_is_ready, pods)), why="")
    status = there.get("status", {})
    noticed = status.get("observedGeneration", 0) >= there["metadata"].get("generation", 1)
    if noticed and status.get("readyReplicas", 0) >= 1:
        return StoreState(ready=True, why="")
    if still_binding(workload, inputs) > 0:
        return StoreState(ready=False, why="")
    return StoreState(ready=False, why=_pending(workload, inputs) or trouble(pods))


def still_binding(workload: Workload, inputs: Inputs) -> float:
    """For how many seconds more a claim without a volume, and a pod that waits for it, are no
    trouble; 0 where there is none, or it takes too long."""
    claim = _claim(workload, inputs)
    if not _is_pending(claim) or "creationTimestamp" not in claim["metadata"]:
        return 0.0
    created = datetime.fromisoformat(claim["metadata"]["creationTimestamp"])
    return max(0.0, BINDING_SECONDS - (inputs.now - created).total_seconds())


def capacity(workload: Workload, inputs: Inputs) -> str:
    """Size of its volume as it is; empty where that is not known."""
    claim = _claim(workload, inputs)
    return str(claim.get("status", {}).get("capacity", {}).get("storage", ""))


def growing(workload: Workload, inputs: Inputs) -> str:
    """What is said of a volume that is not yet as large as its claim asks; empty of any other."""
    claim, has = _claim(workload, inputs), capacity(workload, inputs)
    if not has:
        return ""
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    if quantities.bytes_of(wanted) <= quantities.bytes_of(has):
        return ""
    name = claim["metadata"]["name"]
    said = "; ".join(
        one["message"] for one in claim["status"].get("conditions", ()) if one.get("message")
    )
    return f"claim {name} grows from {has} to {wanted}" + (f": {said}" if said else "")


def _pending(workload: Workload, inputs: Inputs) -> str:
    claim = _claim(workload, inputs)
    if not _is_pending(claim):
        return ""
    class_ = claim["spec"].get("storageClassName")
    of = f"storage class {class_}" if class_ else "no storage class (the cluster has no default)"
    return (
        f"claim {claim['metadata']['name']} has no volume yet, of {of}: see its Events, and set"
        " spec.postgres.managed.storageClass to a class that there is"
    )


def _is_pending(claim: Manifested) -> bool:
    return bool(claim.get("status", {}).get("phase") == "Pending")


def _claim(workload: Workload, inputs: Inputs) -> Manifested:
    if not workload.claims:
        return {}
    name = claim_name(workload.detector)
    return inputs.observed.children.get(("PersistentVolumeClaim", name), {})


def _is_ready(pod: Manifested) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)
