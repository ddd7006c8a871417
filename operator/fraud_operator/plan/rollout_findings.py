"""What `RolloutHealthy` says: how the candidate does, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.plan.conditions import Finding, first
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.release.record import Trial


@dataclass(frozen=True, slots=True)
class _Context:
    model: Decision
    effective: Effective

    @property
    def trial(self) -> Trial | None:
        return self.model.record.trial


def rollout_healthy(model: Decision, effective: Effective) -> Finding:
    """Whether the roll-out of a model gets on, or there is none."""
    return first(_HEALTHY, _Context(model, effective))


def _isolated(context: _Context) -> Finding | None:
    isolated = context.model.record.isolated
    if not isolated:
        return None
    names = ", ".join(one.name for one in isolated)
    return Finding(
        "False",
        "PodsIsolated",
        f"These pods have not confirmed that they withdrew a model, and get no transactions until"
        f" they do: {names}. Delete a pod that does not come back by itself.",
    )


def _waits_for_a_person(context: _Context) -> Finding | None:
    trial = context.trial
    if trial is None or trial.state not in ("Guarded", "Inconclusive"):
        return None
    reason = "DeclineShift" if trial.state == "Guarded" else "TooLittleTraffic"
    return Finding("False", reason, f"Version {trial.model.version}: {trial.message}.")


def _waits_for_pods(context: _Context) -> Finding | None:
    trial = context.trial
    if trial is None or not context.model.waiting:
        return None
    return Finding(
        "False",
        "PodsNotReady",
        f"Version {trial.model.version} cannot go on: {context.model.waiting}. The active version"
        " goes on serving.",
    )


def _held_back(context: _Context) -> Finding | None:
    hold = context.model.record.hold
    if hold is None:
        return None
    why = f": {hold.reason}" if hold.reason else ""
    return Finding(
        "False",
        "HeldBack",
        f"Version {hold.against.version} (revision {hold.against.revision}) is wanted and held back"
        f" by {hold.by or 'somebody'}{why}. Version {hold.model.version} (revision"
        f" {hold.model.revision}) serves until another one is published, or spec wants another one;"
        " kubectl fraud promote lifts this.",
    )


def _on_the_way(context: _Context) -> Finding | None:
    trial, rules = context.trial, context.effective.release
    if trial is None:
        return None
    name = f"Version {trial.model.version} (revision {trial.model.revision})"
    if trial.state == "Canary":
        step = min(trial.step, len(rules.steps) - 1)
        return Finding(
            "True",
            "Canary",
            f"{name} answers {rules.steps[step]}% of all transactions: step {step + 1} of"
            f" {len(rules.steps)}.",
        )
    if trial.state == "Shadow":
        return Finding("True", "Shadow", f"{name} scores a copy of every transaction.")
    return Finding("True", "Holding", f"{name} is being proven by every pod.")


def _none(_: _Context) -> Finding:
    return Finding("True", "Settled", "No model is being rolled out.")


_HEALTHY = (_isolated, _waits_for_a_person, _waits_for_pods, _held_back, _on_the_way, _none)
