"""Takes scorer pods out of the Service and puts them back, by the label that it selects.

It is the pod's own label, so the Deployment keeps the pod: nothing is restarted, and no request
that the pod is answering is broken off.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from fraud_operator.observe.store import ObjectStore
from fraud_operator.plan.children import SERVING_LABEL
from fraud_operator.plan.types import Manifested
from fraud_operator.runtime.kinds import POD
from fraud_operator.runtime.kube import Conflict, Kube, NotFound

log = logging.getLogger(__name__)


async def set_serving(
    kube: Kube,
    store: ObjectStore,
    pods: Sequence[Manifested],
    *,
    isolate: Collection[str],
    restore: Collection[str],
) -> None:
    """Take those of `pods` that are named in `isolate` out, and put those in `restore` back.

    Raises ApiError. A pod that is gone, or is another by now, needs neither.
    """
    for pod in pods:
        meta = pod["metadata"]
        name, serving = meta["name"], (meta.get("labels") or {}).get(SERVING_LABEL) == "true"
        if name in isolate and serving:
            label = None
        elif name in restore and not serving:
            label = "true"
        else:
            continue
        log.info("%s the Service", "back in" if label else "out of", extra={"pod": name})
        try:
            made = await kube.patch_labels(
                POD, meta["namespace"], name, {SERVING_LABEL: label}, uid=meta["uid"]
            )
        except (NotFound, Conflict):
            continue
        store.put(POD, made)
