"""What of an object is kept in the view: as much as is read, so that only what matters is news.

Controllers write the status of every child several times while a detector comes up, and a kubelet
that of every pod; most of it changes nothing for a plan. What a plan reads of a status is named
here: whoever wants to read more of it adds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.runtime.kinds import DEPLOYMENT, FRAUD_DETECTOR, POD, Kind

Object = dict[str, Any]

_ROLLOUT = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
)
_CONDITION = ("type", "status", "reason", "message")
_TROUBLE_OF_DEPLOYMENTS = {"Progressing": "False", "ReplicaFailure": "True"}
_TROUBLE_OF_PODS = {"PodScheduled": "False"}
"""What a condition says when something is wrong."""


def projected(kind: Kind, obj: Mapping[str, Any]) -> Object:
    """`obj` without what nobody reads. The status of a FraudDetector is our own, and kept whole."""
    if kind == POD:
        return _pod(obj)
    if kind == FRAUD_DETECTOR:
        return {**obj, "metadata": _without(obj["metadata"], "managedFields")}
    return _child(kind, obj)


def whole(_: Kind, obj: Mapping[str, Any]) -> Object:
    """All of `obj`, for those who show what there is instead of waiting for news of it."""
    return dict(obj)


def _child(kind: Kind, obj: Mapping[str, Any]) -> Object:
    """With managedFields, which tell who changed what; writes carry the uid, not the version."""
    meta = _without(obj["metadata"], "resourceVersion")
    if "managedFields" in meta:
        meta["managedFields"] = [
            entry for entry in meta["managedFields"] if entry.get("subresource") != "status"
        ]
    kept = _without(obj, "status") | {"metadata": meta}
    if kind == DEPLOYMENT and "status" in obj:
        status = obj["status"]
        kept["status"] = _only(status, _ROLLOUT) | {
            "conditions": _troubled(status, _TROUBLE_OF_DEPLOYMENTS)
        }
    return kept


def _pod(obj: Mapping[str, Any]) -> Object:
    meta, status = obj["metadata"], obj.get("status") or {}
    annotations = meta.get("annotations") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_only(meta, ("name", "namespace", "uid", "deletionTimestamp", "labels")),
            "annotations": {k: v for k, v in annotations.items() if k.startswith("fraudops.io/")},
        },
        "status": {
            "conditions": _troubled(status, _TROUBLE_OF_PODS),
            "containerStatuses": [
                kept for one in status.get("containerStatuses") or () if (kept := _container(one))
            ],
        },
    }


def _container(one: Mapping[str, Any]) -> Object | None:
    """None where it runs and has never ended: how many pods are ready, the Deployment tells."""
    states = {
        state: kept
        for state in ("state", "lastState")
        if (kept := _only(one.get(state) or {}, ("waiting", "terminated")))
    }
    return {**_only(one, ("name", "ready")), **states} if states else None


def _troubled(status: Mapping[str, Any], trouble: Mapping[str, str]) -> list[Object]:
    """Without their times: that of an update moves when nothing else does."""
    return [
        _only(one, _CONDITION)
        for one in status.get("conditions") or ()
        if trouble.get(one["type"]) == one["status"]
    ]


def _only(obj: Mapping[str, Any], names: tuple[str, ...]) -> Object:
    return {name: obj[name] for name in names if name in obj}


def _without(obj: Mapping[str, Any], name: str) -> Object:
    return {key: value for key, value in obj.items() if key != name}
