"""The candidate's way: held by every pod, then active at once, or by steps, or after a shadow.

A step goes on once it has lasted long enough, with enough traffic, and the comparison says that the
candidate does as well. With too little traffic it goes on for ten times as long; then the candidate
answers nobody any more and waits for a person: too little is never enough.

A change of thresholds alone is another revision of the same bytes. Its decisions are meant to
differ, so they are not compared; instead, the share of declined transactions is projected from the
scores of the active revision, and beyond `maxDeclineShift` the change waits for a person. Where
there is too little traffic to project from, it goes through, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from msgspec import structs

from fraud_operator.plan.release.compare import compare
from fraud_operator.plan.release.pods import Pods
from fraud_operator.plan.release.record import Trial
from fraud_operator.plan.release.rules import ReleaseRules
from fraud_operator.plan.release.verifications import moment, stamped
from fraud_operator.plan.release.versions import is_same_model
from fraud_scorer.artifact.plan import WHOLE, Candidate, PlannedModel
from fraud_scorer.artifact.report import SCORE_BINS, Counts

DEADLINE_STEPS = 10
"""A step with too little traffic is given up after that many times its length."""
PROJECTION_SECONDS = 30.0
"""For how long scores to project from are waited for."""
_PERCENT = WHOLE // 100
_SHORTEST_LOOK, _LONGEST_LOOK = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What becomes of the candidate now. `look_after`: seconds until it is to be looked at again;
    `waiting`: why it does not get on."""

    action: Literal["stay", "promote", "refuse"]
    trial: Trial
    measure: str = ""
    message: str = ""
    waiting: str = ""
    note: str = ""
    look_after: float | None = None


def candidate(trial: Trial, rules: ReleaseRules) -> Candidate:
    """How the plan names it."""
    if trial.state == "Canary" and rules.steps:
        share = rules.steps[min(trial.step, len(rules.steps) - 1)] * _PERCENT
        return Candidate(model=trial.model, share=share)
    return Candidate(model=trial.model, shadow=trial.state == "Shadow")


def advance(
    trial: Trial, active: PlannedModel, pods: Pods, rules: ReleaseRules, now: datetime
) -> Progress:
    """One look at the candidate. `pods` follow the plan that was written last."""
    if trial.state in ("Canary", "Shadow") and trial.state != rules.strategy:
        trial = structs.replace(trial, state="Holding", step=0, since=stamped(now))
    if trial.state in ("Canary", "Shadow") and not trial.promoted:
        return _compared(trial, active, pods, rules, now)
    if trial.state in ("Guarded", "Inconclusive") and not trial.promoted:
        return Progress("stay", trial, waiting=trial.message)
    # A pod that hangs holds up nothing that somebody asked for; it is isolated where that matters.
    if not pods.all_hold(trial.model, but_silent=trial.promoted):
        return Progress("stay", trial, waiting=pods.waiting_for(trial.model))
    if trial.promoted or not pods.any_holds(active):
        return Progress("promote", trial)
    return _held(trial, active, pods, rules, now)


def _held(
    trial: Trial, active: PlannedModel, pods: Pods, rules: ReleaseRules, now: datetime
) -> Progress:
    """Every pod holds it: it goes on by the strategy, unless its thresholds are held up."""
    note = ""
    if is_same_model(trial.model, active) and trial.model.thresholds != active.thresholds:
        counts = pods.counts(active)
        left = PROJECTION_SECONDS - (now - moment(trial.since)).total_seconds()
        if sum(counts.scores) >= rules.min_requests:
            if held_up := _beyond(trial, active, counts, rules):
                guarded = structs.replace(
                    trial, state="Guarded", since=stamped(now), message=held_up
                )
                return Progress("stay", guarded, waiting=held_up)
        elif left > 0:
            return Progress("stay", trial, look_after=min(left, _LONGEST_LOOK))
        else:
            note = (
                "There were too few transactions to project the share of declined ones from"
                f" (fewer than {rules.min_requests} in {PROJECTION_SECONDS:g} s)."
            )
    if rules.strategy == "Immediate":
        return Progress("promote", trial, note=note)
    started = structs.replace(trial, state=rules.strategy, step=0, since=stamped(now))
    return Progress("stay", started, note=note, look_after=_pause(rules))


def _compared(
    trial: Trial, active: PlannedModel, pods: Pods, rules: ReleaseRules, now: datetime
) -> Progress:
    since = moment(trial.since)
    due = since + timedelta(seconds=rules.step_seconds)
    ours, theirs = pods.counts(trial.model), pods.counts(active)
    for final in (False, True) if now >= due else (False,):
        found = compare(
            ours,
            theirs,
            rules.tolerances,
            min_requests=rules.min_requests,
            steps=len(rules.steps),
            final=final,
            same_model=is_same_model(trial.model, active),
        )
        if found.outcome == "fail":
            return Progress("refuse", trial, found.measure, found.message)
        if found.outcome == "pass":
            return _next(trial, pods, rules, now)
    deadline = since + timedelta(seconds=DEADLINE_STEPS * rules.step_seconds)
    if now >= deadline:
        message = (
            f"{found.message}, and there were not as many in {DEADLINE_STEPS} times"
            f" {rules.step_duration}. It answers nobody until somebody decides:"
            " kubectl fraud promote, or abort"
        )
        over = structs.replace(trial, state="Inconclusive", since=stamped(now), message=message)
        return Progress("stay", over, waiting=message)
    wait = (due if now < due else deadline) - now
    return Progress("stay", trial, look_after=min(wait.total_seconds(), _pause(rules)))


def _next(trial: Trial, pods: Pods, rules: ReleaseRules, now: datetime) -> Progress:
    if trial.step + 1 < len(rules.steps):
        further = structs.replace(trial, step=trial.step + 1, since=stamped(now))
        return Progress("stay", further, look_after=_pause(rules))
    if not pods.all_hold(trial.model):
        return Progress(
            "stay", trial, waiting=pods.waiting_for(trial.model), look_after=_pause(rules)
        )
    return Progress("promote", trial)


def _pause(rules: ReleaseRules) -> float:
    return max(_SHORTEST_LOOK, min(_LONGEST_LOOK, rules.step_seconds / 10))


def _beyond(trial: Trial, active: PlannedModel, counts: Counts, rules: ReleaseRules) -> str:
    """What would change by too much; empty where it is within bounds."""
    before = projected_share(counts, active.thresholds.decline)
    after = projected_share(counts, trial.model.thresholds.decline)
    if abs(after - before) <= float(rules.max_decline_shift):
        return ""
    return (
        f"decline at {trial.model.thresholds.decline} instead of {active.thresholds.decline} would"
        f" decline {after:.1%} of all transactions instead of {before:.1%}, by the last"
        f" {sum(counts.scores)} scores; spec.model.rollout.maxDeclineShift is"
        f" {rules.max_decline_shift}. kubectl fraud promote takes it, kubectl fraud abort drops it"
    )


def projected_share(counts: Counts, threshold: str) -> float:
    """The share of scores from a threshold on; within a bin, as if they were spread evenly."""
    at = float(threshold) * SCORE_BINS
    whole = int(at)
    above = float(sum(counts.scores[whole + 1 :]))
    if whole < SCORE_BINS:
        above += counts.scores[whole] * (1 - (at - whole))
    return above / (sum(counts.scores) or 1)
