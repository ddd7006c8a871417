"""Who answers, for any plan and any state: only what the plan names, and only what is proven."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from fraud_scorer.artifact.plan import Candidate, ModelPlan, PlannedModel
from fraud_scorer.following.answering import State, decide
from fraud_scorer.following.orders import Answering
from tests.unit.following.models import revision
from tests.unit.following.support import plan as planned

A, B, C = (revision(name) for name in "abc")
STATES: tuple[State, ...] = ("Loading", "Waiting", "Refused", "Proven")

states = some.fixed_dictionaries({one.revision: some.sampled_from(STATES) for one in (A, B, C)})
models = some.sampled_from((None, A, B, C))


@some.composite
def plans(draw: some.DrawFn) -> ModelPlan:
    trial = draw(models)
    shadow = draw(some.booleans())
    return planned(
        1,
        draw(models),
        candidate=trial,
        shadow=shadow,
        share=0 if shadow else draw(some.integers(0, 10_000)),
        last_known_good=draw(models),
        when_unavailable=draw(some.sampled_from((None, "review"))),
    )


befores = some.builds(
    Answering, active=some.sampled_from(("", "a", "b", "c")), fallback=some.booleans()
)


@given(plans(), states, befores, some.booleans())
def test_only_what_is_named_and_proven_answers(
    plan: ModelPlan, states: dict[str, State], before: Answering, serving: bool
) -> None:
    found = decide(plan, states, before, serving=serving)
    named = {one.revision for one in plan.models}
    answer = [found.active, found.last_known_good]
    if found.share or found.shadow:
        assert plan.candidate is not None
        assert found.candidate == plan.candidate.model.revision != found.active
        assert found.active
        assert not found.fallback
        answer.append(found.candidate)
    assert {one for one in answer if one} <= named
    assert all(states[one] == "Proven" for one in answer if one)
    if found.active and not found.fallback:
        assert plan.active is not None
        assert found.active == plan.active.revision
    if plan.active is None:
        assert not found.active
    if found.when_unavailable:
        assert not found.active


@given(plans(), states, befores, some.booleans())
def test_what_can_be_had_is_had(
    plan: ModelPlan, states: dict[str, State], before: Answering, serving: bool
) -> None:
    found = decide(plan, states, before, serving=serving)
    if plan.active is None:
        return
    if states[plan.active.revision] == "Proven":
        assert (found.active, found.fallback) == (plan.active.revision, False)
    elif states[plan.active.revision] != "Loading" and proven(plan.last_known_good, states):
        assert found.active
    # and what answers now goes on to do so while the plan names it
    assert decide(plan, states, found, serving=serving).active == found.active


def proven(model: PlannedModel | None, states: dict[str, State]) -> bool:
    return model is not None and states[model.revision] == "Proven"


def test_a_pod_that_starts_waits_as_long_as_there_is_hope() -> None:
    plan = planned(1, A, last_known_good=B, when_unavailable="review")

    def declared(a: State, b: State, *, serving: bool = False) -> str | None:
        return decide(plan, {"a": a, "b": b}, Answering(), serving=serving).when_unavailable

    assert declared("Loading", "Loading") is None
    assert declared("Waiting", "Loading") is None
    assert declared("Waiting", "Refused") == "review"
    assert declared("Loading", "Loading", serving=True) == "review"


def test_what_answered_goes_on_while_the_new_one_is_loaded_if_it_is_still_named() -> None:
    states: dict[str, State] = {"a": "Proven", "b": "Loading"}
    before = Answering(active="a")
    named = planned(2, B, last_known_good=A)
    assert decide(named, states, before, serving=True).active == "a"
    assert decide(planned(2, B), states, before, serving=True).active == ""


def test_a_stand_in_has_no_trial() -> None:
    plan = planned(1, A, last_known_good=B, candidate=C, share=5000)
    states: dict[str, State] = {"a": "Waiting", "b": "Proven", "c": "Proven"}
    found = decide(plan, states, Answering(), serving=True)
    assert (found.active, found.fallback, found.share) == ("b", True, 0)
    assert Candidate(model=C).share == 0
