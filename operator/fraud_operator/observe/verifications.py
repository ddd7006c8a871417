"""What became of the Jobs that judge versions: a verdict, or why there is none.

Only judge's own words are a verdict: the termination message of the container of that name, in a
pod of that very Job, which ended with exit code 0. What other containers say explains why there is
no verdict, and never stands for one. A pod that was evicted, ran out of memory or of time, could
not pull its image or not reach the store says nothing about the version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from fraud_operator.plan.types import ChildKey, Manifested, Verification
from fraud_operator.plan.verification import (
    ATTEMPT_ANNOTATION,
    JUDGE,
    KEY_ANNOTATION,
    SOURCE_ANNOTATION,
    VERSION_ANNOTATION,
)
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_scorer.artifact import verdict as verdicts
from fraud_scorer.artifact.verdict import Inconclusive, Verdict

INCONCLUSIVE_EXIT = 4
"""Of a container that says in its termination message why it could not go on."""

_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_OUT_OF_MEMORY = "OOMKilled"


def verifications(
    children: Mapping[ChildKey, Manifested], pods: Iterable[Manifested], uid: str
) -> list[Verification]:
    """All Jobs there are of the detector with that `uid`, by name. One that is going has been heard
    already; one of a former detector of the name will go, and spoke of other settings."""
    by_job: dict[str, list[Manifested]] = {}
    for pod in pods:
        by_job.setdefault(_controller(pod, "Job"), []).append(pod)
    found = []
    for (kind, _), job in sorted(children.items()):
        if kind != "Job" or _controller(job, FRAUD_DETECTOR.kind) not in ("", uid):
            continue
        if "deletionTimestamp" not in job["metadata"]:
            judged = _verification(job, by_job.get(job["metadata"]["uid"], ()))
            if judged is not None:
                found.append(judged)
    return found


def _verification(job: Manifested, pods: Sequence[Manifested]) -> Verification | None:
    """None where the Job is none of ours that judges."""
    said = job["metadata"].get("annotations") or {}
    try:
        identity: dict[str, Any] = {
            "version": said[VERSION_ANNOTATION],
            "source": said[SOURCE_ANNOTATION],
            "key": said[KEY_ANNOTATION],
            "attempt": int(said[ATTEMPT_ANNOTATION]),
        }
    except (KeyError, ValueError):
        return None
    over = _ended(job) is not None or any(map(_failed, pods))
    for pod in pods:
        verdict = _verdict(pod, identity["version"])
        if verdict is not None:
            # What a mesh put beside judge may go on for ever.
            ended = over or pod["status"].get("phase") == "Succeeded"
            return Verification(**identity, state="Judged", verdict=verdict, ended=ended)
    reason, message = _why_not(job, pods)
    state: Literal["Running", "Inconclusive"] = "Inconclusive" if over else "Running"
    return Verification(**identity, state=state, reason=reason, message=message, ended=over)


def _verdict(pod: Manifested, version: str) -> Verdict | None:
    for container in pod["status"].get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if container["name"] != JUDGE or not ended or ended.get("exitCode") != 0:
            continue
        try:
            verdict = verdicts.decode(ended.get("message") or "")
        except ValueError:
            return None
        return verdict if verdict.version == version else None
    return None


def _why_not(job: Manifested, pods: Sequence[Manifested]) -> tuple[str, str]:
    """Reason and message: of an end without a verdict, or of what keeps it from getting on."""
    for pod in pods:
        for why in _troubles(pod):
            return why
    ended = _ended(job)
    if ended is None:
        return "", ""
    if ended.get("reason") == "DeadlineExceeded":
        return "DeadlineExceeded", "it was not done within spec.model.verification.timeout"
    if not pods:
        return "NoVerdict", "its pod is gone, and with it what it found"
    return "NoVerdict", f"it ended and said nothing that is a verdict: {ended.get('message', '')}"


def _troubles(pod: Manifested) -> Iterator[tuple[str, str]]:
    status, name = pod["status"], pod["metadata"]["name"]
    if status.get("reason") == "Evicted":
        yield "Evicted", f"pod {name} was evicted: {status.get('message', '')}"
    if status.get("reason") == "DeadlineExceeded":
        yield "DeadlineExceeded", "it was not done within spec.model.verification.timeout"
    for of in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(of) or ():
            yield from _of_container(name, container)
    if _failed(pod) and status.get("reason"):
        yield "NoVerdict", f"pod {name}: {status['reason']}: {status.get('message', '')}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled":  # kept only where it is False
            said = condition.get("message", "")
            yield "Unschedulable", f"pod {name} cannot be scheduled: {said}"


def _of_container(pod: str, container: Manifested) -> Iterator[tuple[str, str]]:
    state, name = container.get("state") or {}, container["name"]
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting.get("reason") in _PULLING:
        yield "ImagePull", f"pod {pod}: {waiting['reason']}: {waiting.get('message', '')}"
    elif waiting.get("reason") == "CreateContainerConfigError":
        yield "ConfigError", f"pod {pod}: {waiting.get('message', '')}"
    if not ended or ended.get("exitCode") == 0:
        return
    if ended.get("reason") == _OUT_OF_MEMORY:
        yield (
            "OutOfMemory",
            f"{name} ran out of memory: raise spec.model.verification.memory",
        )
    elif ended.get("exitCode") == INCONCLUSIVE_EXIT and (said := _inconclusive(ended)):
        yield said.reason, said.message
    else:
        yield "NoVerdict", f"{name} ended with exit code {ended.get('exitCode')}; see its log"


def _inconclusive(ended: Manifested) -> Inconclusive | None:
    try:
        return msgspec.json.decode(ended.get("message") or "", type=Inconclusive)
    except msgspec.DecodeError:
        return None


def _ended(job: Manifested) -> Manifested | None:
    """The condition that says so; None while it has not."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((dict(one) for one in conditions if one["type"] in ("Failed", "Complete")), None)


def _failed(pod: Manifested) -> bool:
    return bool(pod["status"].get("phase") == "Failed")


def _controller(obj: Manifested, kind: str) -> str:
    """The uid of what it belongs to, where that is of that kind; empty: none."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next(
        (one["uid"] for one in owners if one.get("controller") and one.get("kind") == kind), ""
    )
