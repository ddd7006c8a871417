"""How a proven version takes over: at once, by steps, after a shadow; and what holds it up."""

import pytest

from fraud_operator.plan.release.trial import projected_share
from tests.support.releases import World, counts, version

CANARY = {
    "strategy": "Canary",
    "canary": {"steps": [5, 50], "stepDuration": "60s", "minRequests": 100},
}
SHADOW = {"strategy": "Shadow", "shadow": {"duration": "60s", "minRequests": 100}}


def on_trial(world: World, rollout=None) -> World:
    world.spec = {"model": {"rollout": rollout or CANARY}}
    world.versions.insert(0, version("v2"))
    for _ in range(4):
        world.step()
    return world


def reasons(world: World) -> list[str]:
    return [reason for reason, _ in world.events]


def test_a_canary_goes_on_by_steps_and_becomes_active(world):
    on_trial(world)
    assert (world.trial, world.plan.candidate.share) == ("v2 Canary", 500)
    world.traffic(1000)
    world.step()
    assert world.plan.candidate.share == 500, "a step lasts as long as it is to last"
    world.now += 61
    world.step()
    assert (world.trial, world.plan.candidate.share) == ("v2 Canary", 5000)
    world.traffic(1000)
    world.now += 61
    world.step()
    assert (world.active, world.trial) == ("v2", "")
    assert reasons(world) == ["CandidateFound", "CanaryStep", "CanaryStep", "Promoted"]


@pytest.mark.parametrize(
    ("how", "measure"),
    [({"errors": 0.5}, "errors"), ({"invalid": 0.5}, "invalid"), ({"declined": 0.6}, "declined")],
)
def test_a_worse_canary_is_withdrawn_at_once_and_quarantined(world, how, measure):
    on_trial(world)
    world.traffic(1000, candidate=how)
    decision = world.step()
    assert (world.active, world.trial, world.plan.candidate) == ("v1", "", None)
    (entry,) = decision.quarantine
    assert (entry.version, entry.reason) == ("v2", "CanaryFailed")
    assert entry.message.startswith(f"{measure}: ")
    assert decision.ledger == (entry,)
    assert world.record.withdrawn_serial == world.plan.serial
    world.settle()
    assert world.record.withdrawn_serial == 0
    assert reasons(world)[-1] == "CanaryFailed"


def test_too_little_traffic_is_never_passed_and_waits_for_a_person(world):
    on_trial(world)
    world.traffic(100)
    for _ in range(9):
        world.now += 61
        world.step()
        assert world.plan.candidate.share == 500
    world.now += 61
    decision = world.step()
    assert (world.trial, world.plan.candidate.share) == ("v2 Inconclusive", 0)
    assert "15 transactions of the candidate" in decision.waiting
    world.traffic(5000)
    world.now += 5000
    world.settle()
    assert (world.active, world.trial) == ("v1", "v2 Inconclusive")
    world.ask("promote")
    world.settle()
    assert world.active == "v2"


def test_a_newer_version_takes_the_place_of_a_candidate(world):
    on_trial(world)
    world.versions.insert(0, version("v3"))
    for _ in range(4):
        world.step()
    assert world.trial == "v3 Canary"
    assert world.plan.candidate.model.version == "v3"


def test_a_shadow_answers_nobody_and_becomes_active_where_it_does_as_well(world):
    on_trial(world, SHADOW)
    assert world.plan.candidate.shadow
    world.traffic(200)
    world.now += 61
    world.step()
    assert world.active == "v2"


def test_a_shadow_that_scores_otherwise_never_answers(world):
    on_trial(world, SHADOW)
    world.traffic(500, candidate={"declined": 0.5})
    decision = world.step()
    assert world.active == "v1"
    assert decision.quarantine[0].reason == "ShadowFailed"


def test_the_last_step_waits_for_pods_that_are_still_loading(world):
    on_trial(world)
    world.traffic(1000)
    world.now += 61
    world.step()
    world.traffic(1000)
    world.pods[1].waits[world.plan.candidate.model.digest] = "StoreUnreachable"
    world.hear()
    world.now += 61
    decision = world.step()
    assert world.active == "v1"
    assert "pod cards-scorer-2 cannot hold it: StoreUnreachable" in decision.waiting


def test_a_person_may_promote_abort_and_change_their_mind(world):
    on_trial(world)
    world.ask("abort", reason="the rules team said no")
    world.settle()
    assert (world.active, world.trial) == ("v1", "")
    assert world.record.hold.against.version == "v2"
    assert world.record.hold.reason == "the rules team said no"
    world.ask("promote", version="v2")
    world.settle(rounds=400)
    assert world.trial.startswith("v2")
    world.ask("promote")
    world.settle()
    assert world.active == "v2"


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_without_a_candidate_there_is_nothing_to_decide(world, action):
    world.ask(action)
    world.settle()
    assert world.record.request.outcome == "Refused"
    assert "no candidate" in world.record.request.message


def test_a_request_is_handled_once(world):
    on_trial(world)
    world.ask("promote", version="v9")
    world.step()
    assert world.record.request.message == "the candidate is version v2"
    record = world.record
    world.step()
    assert world.record == record


def test_a_change_of_strategy_is_taken_in(world):
    on_trial(world)
    world.spec = {}
    world.settle()
    assert world.active == "v2"


# Thresholds.


def with_thresholds(world: World, review: str, decline: str, **model) -> None:
    world.spec = {
        "scoring": {"thresholds": {"review": review, "decline": decline}},
        "model": model,
    }


def test_thresholds_are_a_revision_of_their_own_and_go_the_same_way(world):
    world.traffic(1000)
    before = world.plan.active
    with_thresholds(world, "0.5", "0.91")
    world.settle()
    active = world.plan.active
    assert (active.digest, active.thresholds.decline) == (before.digest, "0.91")
    assert active.revision != before.revision
    assert world.plan.last_known_good == before


def test_a_change_that_would_decline_too_many_waits_for_a_person_with_the_numbers(world):
    with_thresholds(world, "0.05", "0.08")
    world.step()
    world.traffic(1000)
    decision = world.step()
    assert world.trial == "v1 Guarded"
    assert "would decline 100.0% of all transactions instead of 5.0%" in decision.waiting
    assert "maxDeclineShift is 0.05" in decision.waiting
    plan = world.plan
    world.traffic(1000)
    world.settle()
    assert world.plan == plan, "what is said does not move with the traffic"
    world.ask("promote")
    world.settle()
    assert world.plan.active.thresholds.decline == "0.08"


def test_taken_back_in_the_spec_it_is_forgotten(world):
    with_thresholds(world, "0.05", "0.08")
    world.step()
    world.traffic(1000)
    world.step()
    assert world.trial == "v1 Guarded"
    world.spec = {}
    world.settle()
    assert world.trial == ""


def test_a_greater_shift_can_be_declared(world):
    with_thresholds(world, "0.05", "0.08", rollout={"maxDeclineShift": "1"})
    world.step()
    world.traffic(1000)
    world.step()
    assert world.plan.active.thresholds.decline == "0.08"


def test_without_traffic_to_project_from_it_goes_through_and_says_so(world):
    with_thresholds(world, "0.05", "0.08")
    world.settle()
    assert world.plan.active.thresholds.decline == "0.08"
    assert "too few transactions to project" in world.events[-1][1]


def test_a_number_of_reasons_needs_no_projection(world):
    world.spec = {"scoring": {"reasons": 1}}
    world.step()
    world.step()
    assert world.plan.active.reasons == 1


def test_thresholds_on_a_canary_quarantine_nothing_when_they_fail(world):
    """The bytes are those that serve."""
    with_thresholds(world, "0.5", "0.91", rollout=CANARY)
    world.step()
    world.traffic(1000)
    world.step()
    assert world.trial == "v1 Canary"
    world.traffic(1000, candidate={"errors": 0.5})
    decision = world.settle()
    assert not decision.quarantine
    assert world.plan.active.thresholds.decline == "0.9"
    assert world.record.hold.against.thresholds.decline == "0.91"


def test_the_share_is_projected_within_a_bin_as_if_scores_were_spread_evenly():
    both = counts(1000, declined=0.1, at=5)  # 900 from 0.10 to 0.12, 100 from 0.96 to 0.98
    assert projected_share(both, "0.5") == pytest.approx(0.1)
    assert projected_share(both, "0.11") == pytest.approx(0.55)
    assert projected_share(both, "0") == 1.0
    assert projected_share(both, "1") == 0.0
