"""Who holds a Deployment's `spec.replicas` while an HPA is to have it.

A field that its only owner stops applying falls back to its default: 1, in the middle of traffic.
So before the operator lets go of `replicas`, a second field manager takes hold of the number that
is there, and keeps it until the HPA writes another (which takes the field over). At creation the
same manager sets the number to start with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.apply import fields
from fraud_operator.runtime.kube import FIELD_MANAGER, Conflict, Kube

HOLDER = "fraud-operator-replicas"
_PATH = ("spec", "replicas")


async def hand_over(kube: Kube, live: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Before `manifest`, which leaves replicas out, is applied to `live`, of which we own them."""
    if "replicas" in manifest.get("spec", {}):
        return
    owned = fields.applied_by(live, FIELD_MANAGER) or {}
    if "f:replicas" not in owned.get("f:spec", {}):
        return
    if not fields.owners(live, _PATH, but=FIELD_MANAGER):
        await _apply(kube, live, live["spec"]["replicas"])


async def hold(kube: Kube, live: Mapping[str, Any], count: int) -> dict[str, Any] | None:
    """Set `count` where nobody at all owns replicas; the object, where that was so."""
    if fields.owners(live, _PATH, but=""):
        return None
    return await _apply(kube, live, count)


async def _apply(kube: Kube, live: Mapping[str, Any], count: int) -> dict[str, Any] | None:
    meta = live["metadata"]
    manifest = {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
        "spec": {"replicas": count},
    }
    try:
        return await kube.apply(manifest, manager=HOLDER, force=False)
    except Conflict:
        return None  # somebody else, the HPA we hope, was faster
