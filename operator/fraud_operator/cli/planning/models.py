"""What a change does to what answers: the operator's own decision, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from fraud_operator.plan.effective import effective
from fraud_operator.plan.model_plan import memory
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.release.rules import ReleaseRules
from fraud_operator.plan.types import Inputs, Plan
from fraud_operator.plan.verification import verification_name
from fraud_scorer.artifact.plan import ModelPlan, PlannedModel


def sentences(
    inputs: Inputs, wanted: Plan, verify: WantedVerification | None, *, placeholder: bool
) -> Iterator[str]:
    """What changes; nothing where nothing does. `verify` is what is verified before all that."""
    release, detector = wanted.release, inputs.detector
    if release is None:
        return
    before = memory(detector, inputs.observed.children).plan
    rules = effective(detector.spec).release
    if verify is not None:
        by = "" if placeholder else f" by Job {verification_name(detector, verify)}"
        yield (
            f"version {verify.version} is verified first{by}: no pod hears of it before it is"
            " proven, and if it is refused, nothing else happens"
        )
    yield from _answers(before, release.plan)
    candidate = release.plan.candidate if release.plan is not None else None
    trial = release.record.trial
    if candidate is None and before is not None and before.candidate is not None:
        yield f"the candidate {_named(before.candidate.model)} is dropped"
    if trial is None or release.plan is None or release.plan.active is None:
        return
    was = before.candidate.model.revision if before and before.candidate else ""
    if trial.model.revision != was:
        yield f"{_change(release.plan.active, trial.model)}: {_way(rules)}"
    if release.waiting:
        yield f"it waits: {release.waiting}"


def _answers(before: ModelPlan | None, now: ModelPlan | None) -> Iterator[str]:
    old = before.active if before is not None else None
    new = now.active if now is not None else None
    if new is not None and old is None:
        yield f"{_named(new)} answers from the beginning"
    elif old is not None and new is None:
        yield f"{_named(old)} answers no more, and nothing takes its place"
    elif old is not None and new is not None and old.revision != new.revision:
        yield f"{_change(old, new)}, at once"


def _change(old: PlannedModel, new: PlannedModel) -> str:
    if (old.version, old.digest) != (new.version, new.digest):
        return f"version {old.version} gives way to {new.version}"
    said = []
    if old.thresholds != new.thresholds:
        was, becomes = old.thresholds, new.thresholds
        said.append(
            f"the thresholds change (review {was.review} -> {becomes.review}, decline"
            f" {was.decline} -> {becomes.decline})"
        )
    if old.reasons != new.reasons:
        said.append(f"the number of reasons changes ({old.reasons} -> {new.reasons})")
    return " and ".join(said) or f"version {new.version} is served from other bytes"


def _way(rules: ReleaseRules) -> str:
    if rules.strategy == "Canary":
        steps = ", ".join(f"{one} %" for one in rules.steps)
        return (
            f"by canary: {steps} of all transactions, {rules.step_duration} and"
            f" {rules.min_requests} transactions each at the least, then all"
        )
    if rules.strategy == "Shadow":
        return (
            f"as a shadow for {rules.step_duration} and {rules.min_requests} transactions at the"
            " least, then it answers"
        )
    return "it answers once every pod holds it"


def _named(model: PlannedModel) -> str:
    return f"version {model.version} (revision {model.revision})"
