"""Removes children that a plan no longer wants. Only after all that it does want is there."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from fraud_operator.apply.ownership import Standing, ownership
from fraud_operator.observe.store import DETECTOR_LABEL, Key
from fraud_operator.plan.types import ChildKey, Manifested
from fraud_operator.runtime.kinds import CHILDREN, kind_of
from fraud_operator.runtime.kube import Conflict, Kube

log = logging.getLogger(__name__)
_PRUNABLE = {kind.kind for kind in CHILDREN}


async def prune(
    kube: Kube,
    key: Key,
    uid: str,
    children: Mapping[ChildKey, Manifested],
    wanted: Collection[ChildKey],
) -> list[ChildKey]:
    """Delete those of `children` that are ours, labelled so, and not `wanted`; what was deleted.

    Raises ApiError. A child that was replaced meanwhile is left for the next look.
    """
    deleted: list[ChildKey] = []
    for (kind_name, name), child in children.items():
        if (kind_name, name) in wanted or kind_name not in _PRUNABLE:
            continue
        meta = child["metadata"]
        labelled = (meta.get("labels") or {}).get(DETECTOR_LABEL) == key.name
        whose = ownership(child, detector=key.name, uid=uid)
        if not labelled or whose.standing is not Standing.OURS:
            continue
        kind = kind_of(child)
        try:
            await kube.delete(kind, key.namespace, name, uid=meta["uid"])
        except Conflict:
            continue
        log.info("deleted a child that is no longer wanted", extra={"child": f"{kind}/{name}"})
        deleted.append((kind_name, name))
    return deleted
