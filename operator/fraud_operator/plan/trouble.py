"""Why pods are not ready, in one sentence that does not change from one look to the next, and why
there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_STUCK = {
    "ErrImagePull": "its image cannot be pulled",
    "ImagePullBackOff": "its image cannot be pulled",
    "InvalidImageName": "its image's name is invalid",
    "ErrImageNeverPull": "its image is not on the node, and the pull policy is Never",
    "CreateContainerConfigError": "a Secret or ConfigMap that it refers to is missing",
}

_REFUSED_FOR = {
    "PriorityClass": "spec.scorer.priorityClassName",
    "quota": "spec.scorer",
    "usage per Pod": "spec.scorer.resources",
    "usage per Container": "spec.scorer.resources",
}


def refused_field(message: str) -> str:
    """The field for which the API server takes no pod; empty where it is none's fault.

    A webhook that does not answer refuses pods, too, until it does; nobody has to act then.
    """
    if "forbidden" not in message or "webhook" in message:
        return ""
    return next((field for sign, field in _REFUSED_FOR.items() if sign in message), "spec.scorer")


def trouble(pods: Iterable[Mapping[str, Any]]) -> str:
    """The first trouble of the first pod by name that has any; empty where none has."""
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"]):
        for text in _of(pod):
            return f"pod {pod['metadata']['name']}: {text}"
    return ""


def _of(pod: Mapping[str, Any]) -> Iterator[str]:
    status = pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"cannot be scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _STUCK:
            yield _STUCK[waiting["reason"]]
        ended = container.get("lastState", {}).get("terminated") or {}
        if ended and not container.get("ready"):
            reason = f" ({ended['reason']})" if ended.get("reason") else ""
            yield f"ended with exit code {ended.get('exitCode')}{reason}; see its log"
