"""`status.model`: which versions are known, served, on their way and refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fraud_operator.api.status import MOST_LISTED
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.release.decision import Decision, SeenVersion
from fraud_operator.plan.release.record import Entry
from fraud_operator.plan.store_location import artifacts_of, location_of
from fraud_operator.plan.types import Inputs
from fraud_scorer.artifact.plan import WHOLE, PlannedModel

_PERCENT = WHOLE // 100
_LONGEST_TEXT = 1024


def model_status(inputs: Inputs, effective: Effective, model: Decision) -> dict[str, Any]:
    """As it is written. What the store holds is as it was read last."""
    before = inputs.detector.status.get("model", {})
    shown = {
        **dict(_active(model)),
        **dict(_candidate(model, effective)),
        **dict(_versions(inputs, model, before)),
        "quarantined": [_refused(one) for one in model.quarantine[:MOST_LISTED]],
        "history": [
            {
                "serial": one.serial,
                **_named(one.model),
                "since": one.at,
                "why": one.why,
            }
            for one in model.revisions[:MOST_LISTED]
        ],
        **dict(_people(model)),
        **dict(_pods(model)),
    }
    return {name: value for name, value in shown.items() if value not in (None, [], {})}


def _active(model: Decision) -> Iterator[tuple[str, Any]]:
    plan = model.plan
    if plan is not None and plan.active is not None:
        yield "activeVersion", plan.active.version
        yield "activeDigest", plan.active.digest
        yield "activeRevision", plan.active.revision
        if model.record.became is not None:
            yield "activeSince", model.record.became.at
    if plan is not None and plan.last_known_good is not None:
        yield "lastKnownGood", _named(plan.last_known_good)


def _candidate(model: Decision, effective: Effective) -> Iterator[tuple[str, Any]]:
    trial = model.record.trial
    if trial is None:
        return
    yield "candidateVersion", trial.model.version
    yield "candidateDigest", trial.model.digest
    shown: dict[str, Any] = {**_named(trial.model), "state": trial.state, "since": trial.since}
    if trial.state == "Canary":
        shown["step"] = trial.step + 1
        shown["steps"] = len(effective.release.steps)
    candidate = model.plan.candidate if model.plan is not None else None
    if candidate is not None and candidate.share:
        shown["share"] = candidate.share // _PERCENT
    if message := trial.message or model.waiting:
        shown["message"] = message
    yield "candidate", shown


def _versions(inputs: Inputs, model: Decision, before: Any) -> Iterator[tuple[str, Any]]:
    if not inputs.store.listed or inputs.store.reason:
        for name in ("available", "versions"):
            yield name, before.get(name)
        return
    where = str(location_of(inputs.detector, artifacts_of(inputs.detector)))
    yield "available", [one.version for one in model.versions[:MOST_LISTED]]
    yield "versions", [_version(one, where) for one in model.versions[:MOST_LISTED]]


def _version(one: SeenVersion, where: str) -> dict[str, Any]:
    shown = {
        "version": one.version,
        "state": one.state,
        "digest": one.digest,
        "reason": one.reason,
        "message": one.message,
        "report": f"{where}{one.report}"[:_LONGEST_TEXT] if one.report else "",
    }
    return {name: value for name, value in shown.items() if value}


def _refused(entry: Entry) -> dict[str, Any]:
    return {
        "digest": entry.digest,
        "version": entry.version,
        "reason": entry.reason,
        "message": entry.message,
        "since": entry.since,
        "scope": "Publication" if entry.about_version else "Bytes",
    }


def _people(model: Decision) -> Iterator[tuple[str, Any]]:
    """What people asked for, and what they hold back."""
    if (hold := model.record.hold) is not None:
        shown = {
            "against": hold.against.version,
            "revision": hold.against.revision,
            "by": hold.by or "somebody",
            "reason": hold.reason,
            "since": hold.at,
        }
        yield "heldBack", {name: value for name, value in shown.items() if value}
    if (handled := model.record.request) is not None:
        yield (
            "request",
            {
                "id": handled.id,
                "action": handled.action,
                "outcome": handled.outcome,
                "message": handled.message,
            },
        )


def _pods(model: Decision) -> Iterator[tuple[str, Any]]:
    if model.plan is None:
        return
    shown: dict[str, Any] = {
        "serial": model.plan.serial,
        "confirmed": model.confirmed,
        "total": model.pods,
    }
    if model.record.isolated:
        shown["isolated"] = [one.name for one in model.record.isolated[:MOST_LISTED]]
    yield "pods", shown


def _named(model: PlannedModel) -> dict[str, str]:
    return {"version": model.version, "digest": model.digest, "revision": model.revision}
