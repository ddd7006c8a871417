"""Writes a status, only where it differs, and only onto the state that it was computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.observe.store import ObjectStore
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import Kube


async def write_status(
    kube: Kube, store: ObjectStore, obj: Mapping[str, Any], status: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Make `status` that of the FraudDetector `obj`; the object as it is afterwards.

    Raises Conflict where the object is not the one that was looked at any more: look again, and
    decide again. Raises ApiError.
    """
    patch = merge_patch(obj.get("status") or {}, status)
    if not patch:
        return obj
    meta = obj["metadata"]
    made = await kube.patch_status(
        FRAUD_DETECTOR, meta["namespace"], meta["name"], patch, meta["resourceVersion"]
    )
    store.put(FRAUD_DETECTOR, made)
    return made


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) that makes `old` into `new`; empty where they are equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif value != before or key not in old:
            patch[key] = value
    return patch
