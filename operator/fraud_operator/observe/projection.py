"""What of an object is kept in the view: as much as is read, so that only what matters is news.

Controllers write the status of every child several times while a detector comes up, and a kubelet
that of every pod; most of it changes nothing for a plan. What a plan reads of a status is named
here: whoever wants to read more of it adds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.runtime.kinds import (
    CLAIM,
    CONFIG_MAP,
    DEPLOYMENT,
    FRAUD_DETECTOR,
    JOB,
    POD,
    STATEFUL_SET,
    Kind,
)

Object = dict[str, Any]

_ROLLOUT = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
)
_STATEFUL = ("observedGeneration", "readyReplicas", "currentRevision", "updateRevision")
_CLAIM = ("phase", "capacity")
_TROUBLE_OF_CLAIMS = {
    "FileSystemResizePending": "True",
    "ControllerResizeError": "True",
    "NodeResizeError": "True",
}
_CONDITION = ("type", "status", "reason", "message")
_TROUBLE_OF_DEPLOYMENTS = {"Progressing": "False", "ReplicaFailure": "True"}
_TROUBLE_OF_PODS = {"PodScheduled": "False"}
"""What a condition says when something is wrong."""
_ENDED = ("Succeeded", "Failed")
_LABELS_OF_PODS = ("fraudops.io/", "app.kubernetes.io/")
_COUNTED = "deployment.kubernetes.io/revision"
"""An annotation that the Deployment controller keeps for itself."""
_END_OF_JOBS = {"Complete": "True", "Failed": "True"}


def projected(kind: Kind, obj: Mapping[str, Any]) -> Object | None:
    """`obj` without what nobody reads; None where nothing is left. The status of a FraudDetector is
    our own, and kept whole."""
    if kind == POD:
        return _pod(obj)
    if kind == FRAUD_DETECTOR:
        return {**obj, "metadata": _without(obj["metadata"], "managedFields")}
    return _child(kind, obj)


def whole(_: Kind, obj: Mapping[str, Any]) -> Object:
    """All of `obj`, for those who show what there is instead of waiting for news of it."""
    return dict(obj)


def _child(kind: Kind, obj: Mapping[str, Any]) -> Object:
    """With managedFields, which tell who changed what. Writes carry the uid and not the version,
    but for those to the model plan."""
    meta = dict(obj["metadata"])
    if kind != CONFIG_MAP:
        meta.pop("resourceVersion", None)
    if "managedFields" in meta:
        meta["managedFields"] = [
            entry for entry in meta["managedFields"] if entry.get("subresource") != "status"
        ]
    kept = _without(obj, "status") | {"metadata": meta}
    if kind == DEPLOYMENT and _COUNTED in (meta.get("annotations") or {}):
        meta["annotations"] = _without(meta["annotations"], _COUNTED)
    if kind == DEPLOYMENT and "status" in obj:
        status = obj["status"]
        kept["status"] = _only(status, _ROLLOUT) | {
            "conditions": _only_those(status, _TROUBLE_OF_DEPLOYMENTS)
        }
    if kind == JOB and "status" in obj:
        kept["status"] = {"conditions": _only_those(obj["status"], _END_OF_JOBS)}
    if kind == STATEFUL_SET and "status" in obj:
        kept["status"] = _only(obj["status"], _STATEFUL)
    if kind == CLAIM and "status" in obj:
        status = obj["status"]
        kept["status"] = _only(status, _CLAIM) | {
            "conditions": _only_those(status, _TROUBLE_OF_CLAIMS)
        }
    return kept


def _pod(obj: Mapping[str, Any]) -> Object | None:
    """None while there is nothing to say of it: it has neither begun nor got into trouble."""
    meta, status = obj["metadata"], obj.get("status") or {}
    said = {
        **_only(status, ("podIP", "reason", "message")),
        **({"phase": status["phase"]} if status.get("phase") in _ENDED else {}),
        "conditions": [*_only_those(status, _TROUBLE_OF_PODS), *_readiness(status)],
        **{
            of: [kept for one in status.get(of) or () if (kept := _container(one))]
            for of in ("initContainerStatuses", "containerStatuses")
        },
    }
    if not any(said.values()):
        return None
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_only(meta, ("name", "namespace", "uid", "deletionTimestamp", "ownerReferences")),
            "labels": _beginning(meta.get("labels"), _LABELS_OF_PODS),
            "annotations": _beginning(meta.get("annotations"), ("fraudops.io/",)),
        },
        "status": said,
    }


def _beginning(named: Mapping[str, str] | None, prefixes: tuple[str, ...]) -> Object:
    return {name: value for name, value in (named or {}).items() if name.startswith(prefixes)}


def _readiness(status: Mapping[str, Any]) -> list[Object]:
    """That it is ready, without a word more: why it is not, containers tell."""
    return [
        {"type": "Ready", "status": "True"}
        for one in status.get("conditions") or ()
        if (one["type"], one["status"]) == ("Ready", "True")
    ]


def _container(one: Mapping[str, Any]) -> Object | None:
    """None where it runs and has never ended."""
    states = {
        state: kept
        for state in ("state", "lastState")
        if (kept := _only(one.get(state) or {}, ("waiting", "terminated")))
    }
    if not states and not one.get("restartCount"):
        return None
    return {**_only(one, ("name", "ready", "restartCount")), **states}


def _only_those(status: Mapping[str, Any], wanted: Mapping[str, str]) -> list[Object]:
    """Conditions of that status, without their times: that of an update moves when nothing else
    does."""
    return [
        _only(one, _CONDITION)
        for one in status.get("conditions") or ()
        if wanted.get(one["type"]) == one["status"]
    ]


def _only(obj: Mapping[str, Any], names: tuple[str, ...]) -> Object:
    return {name: obj[name] for name in names if name in obj}


def _without(obj: Mapping[str, Any], name: str) -> Object:
    return {key: value for key, value in obj.items() if key != name}
