"""Whose an object is. What belongs to somebody else is never touched, whatever its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fraud_operator.api.frauddetector import KIND
from fraud_operator.apply.fields import applied_by
from fraud_operator.plan.children import DETECTOR_LABEL
from fraud_operator.runtime.kube import FIELD_MANAGER

_MANAGED_BY = "app.kubernetes.io/managed-by"


class Standing(Enum):
    """What an existing object is to a detector."""

    OURS = "ours"
    LEAVING = "leaving"
    """It is being deleted, or it is of a former detector of that name and will be."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Ownership:
    """The verdict, and whose the object is in words."""

    standing: Standing
    owner: str = ""


def ownership(obj: Mapping[str, Any], *, detector: str, uid: str, kept: bool = False) -> Ownership:
    """What `obj` is to the detector of that name and uid.

    An object of ours from which somebody took the ownerReference is still ours: we know it by our
    entry in its managedFields, and give the reference back. One that is `kept` when its detector
    goes has no owner then, and the next detector of the name takes it by its labels.
    """
    meta = obj["metadata"]
    controller = next(
        (one for one in meta.get("ownerReferences") or () if one.get("controller")), None
    )
    if controller is None:
        ours = _is_labelled(obj, detector) if kept else applied_by(obj, FIELD_MANAGER) is not None
        if not ours:
            return Ownership(Standing.FOREIGN, "nobody that we know of")
    elif controller.get("uid") != uid:
        if (controller.get("kind"), controller.get("name")) == (KIND, detector):
            return Ownership(Standing.LEAVING, f"a former {KIND} {detector}")
        return Ownership(Standing.FOREIGN, f"{controller.get('kind')} {controller.get('name')}")
    if meta.get("deletionTimestamp"):
        return Ownership(Standing.LEAVING, "this detector")
    return Ownership(Standing.OURS)


def _is_labelled(obj: Mapping[str, Any], detector: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return (labels.get(_MANAGED_BY), labels.get(DETECTOR_LABEL)) == (FIELD_MANAGER, detector)
