"""One detector as the operator would see it: its object, its children, its pods.

The view is the operator's own (`observe.store`), filled by one list a kind. What the user may not
read is left out and named, so that a command can say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from fraud_operator.observe.projection import whole
from fraud_operator.observe.store import DETECTOR_LABEL, Key, ObjectStore
from fraud_operator.runtime.kinds import CHILDREN, CLAIM, FRAUD_DETECTOR, POD, Kind
from fraud_operator.runtime.kube import ApiError, Kube, Object


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is."""

    detector: Object | None
    store: ObjectStore
    unseen: Mapping[str, str]
    """Kinds that could not be read, each with the server's reason."""


async def look(kube: Kube, key: Key) -> Seen:
    """Everything that belongs to the detector `key`. Raises ApiError unless only rights to some
    of the kinds are missing."""
    store = ObjectStore(keep=whole)
    unseen: dict[str, str] = {}

    async def collect(kind: Kind) -> None:
        selector = f"{DETECTOR_LABEL}={key.name}"
        try:
            objects, _ = await kube.list(kind, key.namespace, label_selector=selector)
        except ApiError as error:
            if error.status != 403:
                raise
            unseen[kind.kind] = error.message
            return
        for obj in objects:
            store.put(kind, obj)

    detector, *_ = await asyncio.gather(
        kube.get(FRAUD_DETECTOR, *key), *(collect(kind) for kind in (*CHILDREN, CLAIM, POD))
    )
    if detector is not None:
        store.put(FRAUD_DETECTOR, detector)
    return Seen(detector, store, unseen)
