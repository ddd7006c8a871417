"""From a plan, and the state of its revisions in this pod, to who answers. Nothing else decides.

Only what the plan names may answer, and only once it is proven. The active one does as soon as it
can. Until then what answered before goes on, where the plan still names it. A pod that cannot have
the active one stands in with the last known good one, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fraud_scorer.artifact.plan import Decision, ModelPlan
from fraud_scorer.following.orders import Answering

State = Literal["Loading", "Waiting", "Refused", "Proven"]
"""Of a revision in this pod. `Waiting`: its files cannot be had so far; `Refused` is a verdict."""

_OUT_OF_REACH = ("Waiting", "Refused")


def decide(
    plan: ModelPlan, states: Mapping[str, State], before: Answering, *, serving: bool
) -> Answering:
    """Who answers. `before`: who did; `serving`: whether requests are coming in."""
    active, fallback = _active(plan, states, before)
    good = plan.last_known_good
    trial = plan.candidate
    share, shadow, candidate = 0, False, ""
    if trial is not None and states.get(trial.model.revision) == "Proven":
        candidate = trial.model.revision
        if active and not fallback and active != candidate:
            share, shadow = trial.share, trial.shadow
    return Answering(
        active=active,
        fallback=fallback,
        candidate=candidate,
        share=share,
        shadow=shadow,
        last_known_good=good.revision
        if good is not None and states.get(good.revision) == "Proven"
        else "",
        when_unavailable=None if active else _declared(plan, states, serving=serving),
    )


def _active(plan: ModelPlan, states: Mapping[str, State], before: Answering) -> tuple[str, bool]:
    """The revision that answers, and whether it only stands in."""
    if plan.active is None:
        return "", False
    wanted = plan.active.revision
    if states.get(wanted) == "Proven":
        return wanted, False
    named = {one.revision for one in plan.models}
    if before.active in named and states.get(before.active) == "Proven":
        return before.active, True
    good = plan.last_known_good
    if (
        good is not None
        and states.get(wanted) in _OUT_OF_REACH
        and states.get(good.revision) == "Proven"
    ):
        return good.revision, True
    return "", False


def _declared(plan: ModelPlan, states: Mapping[str, State], *, serving: bool) -> Decision | None:
    """The decision for want of a model. A pod that starts waits as long as there is hope."""
    hoped_for = (plan.active, plan.last_known_good) if plan.active is not None else ()
    hope = any(
        one is not None and states.get(one.revision, "Loading") not in _OUT_OF_REACH
        for one in hoped_for
    )
    return plan.when_unavailable if serving or not hope else None
