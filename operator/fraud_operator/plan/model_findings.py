"""What `ModelVerified` and `ModelStoreReachable` say: one function a reason, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.plan.conditions import Finding, first
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.model_volume import trouble_of
from fraud_operator.plan.release.decision import Decision, SeenVersion
from fraud_operator.plan.store_location import artifacts_of, location_of, source_of
from fraud_operator.plan.types import Inputs
from fraud_scorer.artifact.plan import PlannedModel


@dataclass(frozen=True, slots=True)
class _Context:
    inputs: Inputs
    effective: Effective
    model: Decision
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        detector = self.inputs.detector
        return str(location_of(detector, source_of(detector)))

    @property
    def artifacts(self) -> str:
        detector = self.inputs.detector
        return str(location_of(detector, artifacts_of(detector)))

    @property
    def active(self) -> PlannedModel | None:
        return self.model.plan.active if self.model.plan is not None else None

    @property
    def serving(self) -> str:
        if self.active is None:
            return "No version serves"
        return f"Version {self.active.version} keeps serving"

    @property
    def is_read(self) -> bool:
        return self.inputs.store.listed and not self.inputs.store.reason


def model_verified(
    inputs: Inputs, effective: Effective, model: Decision, before: Mapping[str, Any] | None
) -> Finding:
    """Whether the wanted version is proven. `before` is the condition as it was."""
    return first(_VERIFIED, _Context(inputs, effective, model, before or {}))


def store_reachable(
    inputs: Inputs, effective: Effective, model: Decision, before: Mapping[str, Any] | None
) -> Finding:
    """Whether the store answers. `before` is the condition as it was."""
    return first(_REACHABLE, _Context(inputs, effective, model, before or {}))


def _still_bad(context: _Context) -> Finding | None:
    """Until the store answers (again), nothing is taken back that was said of what is in it."""
    unread = not context.is_read and not context.inputs.store.versions
    if unread and context.before.get("status") == "False" and context.active is not None:
        return Finding("False", context.before["reason"], context.before["message"])
    return None


def _active_refused(context: _Context) -> Finding | None:
    if not context.model.asks:
        return None
    return Finding("False", "ActiveRefused", f"{context.model.asks}.")


def _wanted_first(context: _Context) -> Finding | None:
    """What is wrong with the version that would serve if it could, or how far it is."""
    for version in context.model.passed_over:
        return _BY_STATE[version.state](context, version)
    return None


def _refused(context: _Context, version: SeenVersion) -> Finding:
    told = "publish" in version.message.lower()
    advice = "" if told else " Publish the model again under a new version."
    return Finding(
        "False",
        version.reason,
        f"Version {version.version} was refused: {version.message}. {context.serving}.{advice}"
        f" kubectl fraud release {context.inputs.detector.name} {version.version} has it tried"
        " again.",
    )


def _damaged(context: _Context, version: SeenVersion) -> Finding:
    return Finding(
        "False",
        "ManifestInvalid",
        f"Version {version.version} has a manifest that cannot be used: {version.message}."
        f" {context.serving}.",
    )


def _inconclusive(context: _Context, version: SeenVersion) -> Finding:
    return Finding(
        "False",
        "VerificationInconclusive",
        f"Version {version.version} could not be verified, and is not tried again by itself:"
        f" {version.reason}: {version.message}. {context.serving}. When that is mended:"
        f" kubectl fraud sync {context.inputs.detector.name}.",
    )


def _verifying(context: _Context, version: SeenVersion) -> Finding:
    trouble = ""
    if version.reason:
        trouble = f" The last try ended with {version.reason}: {version.message}."
    return Finding(
        "Unknown",
        "Verifying",
        f"Version {version.version} is being verified.{trouble} {context.serving} until then.",
    )


_BY_STATE = {
    "Quarantined": _refused,
    "Damaged": _damaged,
    "Inconclusive": _inconclusive,
    "Verifying": _verifying,
    "Discovered": _verifying,
}


def _pinned_missing(context: _Context) -> Finding | None:
    pinned = context.effective.version
    if not pinned or not context.is_read:
        return None
    if context.model.wanted is not None and context.model.wanted.version == pinned:
        return None
    return Finding(
        "False",
        "VersionMissing",
        f"There is no version {pinned} in {context.where}. {context.serving}."
        " Publish it, or set spec.model.version to one of status.model.available.",
    )


def _unfit_pods(context: _Context) -> Finding | None:
    if not context.model.unfit:
        return None
    return Finding(
        "False",
        "PodsUnfit",
        f"{context.model.unfit}. {context.serving}. Delete the pod; if new ones cannot"
        " hold it either, set spec.scorer.image to the image that could, or publish a version for"
        " this one.",
    )


def _bytes_gone(context: _Context) -> Finding | None:
    wanted = context.model.wanted_blobs
    if not wanted:
        return None
    return Finding(
        "False",
        "BlobDamaged",
        f"Proven bytes are damaged or missing in {context.artifacts}: {', '.join(wanted)}."
        " Pods that hold them keep serving, and give them to those that start. Restore them from a"
        " backup, or publish the version again.",
    )


def _nothing_good(context: _Context) -> Finding | None:
    if context.active is not None or not context.model.quarantine or not context.model.plan:
        return None
    latest = context.model.quarantine[0]
    return Finding(
        "False",
        latest.reason,
        f"Version {latest.version} was refused: {latest.message}. There is nothing good to go back"
        " to: publish another version now.",
    )


def _volume_away(context: _Context) -> Finding | None:
    why = trouble_of(context.inputs.detector, context.inputs.observed)
    if context.active is not None or not why:
        return None
    return Finding("Unknown", "VolumeUnavailable", f"{why}.")


def _store_unreachable(context: _Context) -> Finding | None:
    store = context.inputs.store
    if context.active is not None or not store.reason:
        return None
    return Finding("Unknown", store.reason, store.message)


def _not_looked_at(context: _Context) -> Finding | None:
    if context.active is not None or context.inputs.store.listed:
        return None
    return Finding("Unknown", "StoreNotRead", f"{context.where} has not been looked at yet.")


def _none_published(context: _Context) -> Finding | None:
    if context.active is not None:
        return None
    return Finding(
        "False",
        "NoVersion",
        f"There is no version in {context.where}:"
        f" publish one with: fraud-scorer publish --to {context.where}",
    )


def _vanished(context: _Context) -> Finding | None:
    active = context.active
    if active is None or not context.is_read:
        return None
    if any(version.version == active.version for version in context.inputs.store.versions):
        return None
    return Finding(
        "False",
        "ActiveMissing",
        f"Version {active.version} serves but is no longer in {context.where}. It keeps serving"
        " from its proven bytes. Publish it again, or a new version.",
    )


def _proven(context: _Context) -> Finding:
    active = context.active
    name = f"Version {active.version} ({active.digest})" if active else "The version"
    return Finding("True", "Proven", f"{name} was proven before it served.")


_VERIFIED = (
    _still_bad,
    _active_refused,
    _wanted_first,
    _pinned_missing,
    _unfit_pods,
    _bytes_gone,
    _nothing_good,
    _volume_away,
    _store_unreachable,
    _not_looked_at,
    _none_published,
    _vanished,
    _proven,
)


def _volume_in_trouble(context: _Context) -> Finding | None:
    why = trouble_of(context.inputs.detector, context.inputs.observed)
    return Finding("False", "VolumeUnavailable", f"{why}.") if why else None


def _trouble(context: _Context) -> Finding | None:
    store = context.inputs.store
    return Finding("False", store.reason, store.message) if store.reason else None


def _as_before(context: _Context) -> Finding | None:
    """An operator that has just started knows nothing new."""
    before = context.before
    if context.inputs.store.listed or not before:
        return None
    return Finding(before["status"], before["reason"], before["message"])


def _never_asked(context: _Context) -> Finding | None:
    if context.inputs.store.listed:
        return None
    return Finding("Unknown", "NotAsked", f"{context.where} has not been looked at yet.")


def _answers(context: _Context) -> Finding:
    return Finding("True", "Answers", f"{context.where} can be read.")


_REACHABLE = (_volume_in_trouble, _trouble, _as_before, _never_asked, _answers)
