"""What `ModelVerified` and `ModelStoreReachable` say: one function a reason, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.conditions import Finding, first
from fraud_operator.plan.model import ModelDecision
from fraud_operator.plan.quarantine import described


@dataclass(frozen=True, slots=True)
class _Context:
    detector: FraudDetector
    model: ModelDecision
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        s3 = self.detector.spec.model.source.s3
        return f"s3://{s3.bucket}/{s3.prefix or ''}" if s3 is not None else "the store"

    @property
    def serving(self) -> str:
        if self.model.active is None:
            return "No version serves yet"
        return f"Version {self.model.active.version} keeps serving"


def model_verified(
    detector: FraudDetector, model: ModelDecision, before: Mapping[str, Any] | None
) -> Finding:
    """Whether the wanted version is proven. `before` is the condition as it was."""
    return first(_VERIFIED, _Context(detector, model, before or {}))


def store_reachable(
    detector: FraudDetector, model: ModelDecision, before: Mapping[str, Any] | None
) -> Finding:
    """Whether the store answers. `before` is the condition as it was."""
    return first(_REACHABLE, _Context(detector, model, before or {}))


def _still_bad(context: _Context) -> Finding | None:
    """Until the store answers (again), nothing is taken back that was said of what is in it."""
    store = context.model.store
    unread = not store.listed or (store.reason and not store.versions)
    if unread and context.before.get("status") == "False" and context.model.active is not None:
        return Finding("False", context.before["reason"], context.before["message"])
    return None


def _refused(context: _Context) -> Finding | None:
    for version, entry in context.model.refused():
        told = "publish" in entry["message"].lower()
        advice = "" if told else " Publish the model again under a new version."
        return Finding(
            "False",
            entry["reason"],
            f"Version {version.version} was refused: {entry['message']}."
            f" {context.serving}.{advice}",
        )
    return None


def _damaged(context: _Context) -> Finding | None:
    for version in context.model.damaged():
        return Finding(
            "False",
            "ManifestInvalid",
            f"Version {version.version} has a manifest that cannot be used: {version.problem}."
            f" {context.serving}.",
        )
    return None


def _pinned_missing(context: _Context) -> Finding | None:
    model = context.model
    if not model.pinned or not model.store.listed or model.store.reason:
        return None
    if model.target is not None and model.target.active.version == model.pinned:
        return None
    return Finding(
        "False",
        "VersionMissing",
        f"There is no version {model.pinned} in {context.where}. {context.serving}."
        " Publish it, or set spec.model.version to one of status.model.available.",
    )


def _unfit_pods(context: _Context) -> Finding | None:
    if not context.model.quarantine.unfit or context.model.active is None:
        return None
    refusal = context.model.quarantine.unfit[0]
    return Finding(
        "False",
        "PodsUnfit",
        f"New pods cannot serve version {refusal.version}, which others serve: {refusal.reason}:"
        f" {described(refusal)}. {context.serving}."
        " Set spec.scorer.image to the image that served it, or publish a version for this one.",
    )


def _active_refused(context: _Context) -> Finding | None:
    active = context.model.active
    entry = context.model.quarantine.get(active.version, active.digest) if active else None
    if active is None or entry is None:
        return None
    return Finding(
        "False",
        "ActiveRefused",
        f"Version {active.version} serves in the pods that hold it, but new pods refuse it:"
        f" {entry['reason']}: {entry['message']}. There is nothing good to go back to:"
        " publish a new version now.",
    )


def _store_unreachable(context: _Context) -> Finding | None:
    model = context.model
    if model.target is not None or not model.store.reason:
        return None
    return Finding("Unknown", model.store.reason, model.store.message)


def _not_looked_at(context: _Context) -> Finding | None:
    if context.model.target is not None or context.model.store.listed:
        return None
    return Finding("Unknown", "StoreNotRead", f"{context.where} has not been looked at yet.")


def _none_published(context: _Context) -> Finding | None:
    if context.model.target is not None:
        return None
    return Finding(
        "False",
        "NoVersion",
        f"There is no version in {context.where}:"
        f" publish one with: fraud-scorer publish --to {context.where}",
    )


def _vanished(context: _Context) -> Finding | None:
    model = context.model
    if not model.store.listed or model.store.reason or model.changing or model.active is None:
        return None
    if any(version.version == model.active.version for version in model.store.versions):
        return None
    return Finding(
        "False",
        "ActiveMissing",
        f"Version {model.active.version} serves but is no longer in {context.where}: pods that"
        " start now cannot fetch it. Publish it again, or a new version.",
    )


def _nobody_to_prove_it(context: _Context) -> Finding | None:
    model = context.model
    if model.target is None or not model.changing or context.detector.spec.scorer.replicas != 0:
        return None
    return Finding(
        "Unknown",
        "NoPods",
        f"Version {model.target.active.version} ({model.target.active.digest}) waits for a pod to"
        f" prove it: spec.scorer.replicas is 0. {context.serving}.",
    )


def _verifying(context: _Context) -> Finding | None:
    model = context.model
    if model.target is None or not model.changing:
        return None
    serving = f" {context.serving} until then." if model.active else ""
    return Finding(
        "Unknown",
        "Verifying",
        f"Version {model.target.active.version} ({model.target.active.digest}) is being proven by"
        f" the pods that start with it.{serving}",
    )


def _proven(context: _Context) -> Finding:
    active = context.model.active
    name = f"Version {active.version} ({active.digest})" if active else "The version"
    return Finding("True", "Proven", f"{name} was accepted by every pod that serves it.")


_VERIFIED = (
    _still_bad,
    _refused,
    _damaged,
    _pinned_missing,
    _unfit_pods,
    _active_refused,
    _store_unreachable,
    _not_looked_at,
    _none_published,
    _vanished,
    _nobody_to_prove_it,
    _verifying,
    _proven,
)


def _trouble(context: _Context) -> Finding | None:
    store = context.model.store
    return Finding("False", store.reason, store.message) if store.reason else None


def _as_before(context: _Context) -> Finding | None:
    """An operator that has just started knows nothing new."""
    before = context.before
    if context.model.store.listed or not before:
        return None
    return Finding(before["status"], before["reason"], before["message"])


def _never_asked(context: _Context) -> Finding | None:
    if context.model.store.listed:
        return None
    return Finding("Unknown", "NotAsked", f"{context.where} has not been looked at yet.")


def _answers(context: _Context) -> Finding:
    return Finding("True", "Answers", f"{context.where} can be read.")


_REACHABLE = (_trouble, _as_before, _never_asked, _answers)
