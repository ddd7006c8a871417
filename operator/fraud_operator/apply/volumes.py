"""Makes a volume's claim larger. Kubernetes and the storage do the rest, with the pod running."""

from __future__ import annotations

import logging
from dataclasses import replace

from fraud_operator.plan.stores.postgres import Growth
from fraud_operator.plan.types import ChildResult
from fraud_operator.runtime.kinds import CLAIM
from fraud_operator.runtime.kube import ApiError, Kube

log = logging.getLogger(__name__)


async def grow(kube: Kube, growth: Growth) -> ChildResult:
    """Ask for more; what the API server made of it, as any other child's result."""
    meta = growth.claim["metadata"]
    result = ChildResult("volume", CLAIM.kind, meta["name"], "Applied")
    patch = {"spec": {"resources": {"requests": {"storage": growth.storage}}}}
    try:
        await kube.merge(CLAIM, meta["namespace"], meta["name"], patch, uid=meta["uid"])
    except ApiError as error:
        return replace(
            result,
            outcome="Failed",
            reason="CannotGrow" if error.status in (403, 422) else error.reason,
            message=(
                f"claim {meta['name']} cannot grow to {growth.storage}: {error.message}; a storage"
                " class grows with allowVolumeExpansion: true"
            ),
        )
    # That it is larger is an event, upon which its StatefulSet is told.
    log.info("made a claim larger", extra={"child": f"{CLAIM}/{meta['name']}"})
    return result
