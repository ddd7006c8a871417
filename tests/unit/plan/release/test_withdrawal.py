"""Going back: what is refused answers nobody, what was good does, and who has to confirm that."""

import pytest
from msgspec import structs

from fraud_operator.plan.release.record import encode
from fraud_scorer.artifact.digest import qualified
from tests.support.releases import CONFIG_MAP, World, sha256, version

V1, V2 = (qualified(sha256(name)) for name in ("v1", "v2"))


@pytest.fixture
def newer(world: World) -> World:
    """v2 is active, and v1 was."""
    world.versions.insert(0, version("v2"))
    world.settle()
    world.events.clear()
    return world


def refuse(world: World, digest: str, count: int, reason: str = "GoldenMismatch") -> None:
    for pod in world.pods[:count]:
        pod.refuses[digest] = reason
    world.hear()


def test_where_most_pods_refuse_the_active_version_the_one_before_answers_in_one_decision(newer):
    serial = newer.plan.serial
    refuse(newer, V2, 2)
    decision = newer.decide()
    assert decision.plan.active.digest == V1
    assert decision.plan.serial == serial + 1
    assert V2 not in {one.digest for one in decision.plan.models}
    assert decision.record.withdrawn_serial == serial + 1
    assert [one.digest for one in decision.ledger] == [V2]
    assert [one.reason for one in decision.events] == ["GoldenMismatch", "RolledBack"]
    newer.settle()
    assert newer.active == "v1"


def test_a_pod_that_alone_cannot_hold_what_others_hold_is_a_pod_with_trouble(newer):
    plan = newer.plan
    refuse(newer, V2, 1)
    decision = newer.settle()
    assert decision.plan == plan
    assert not decision.quarantine
    assert "cards-scorer-1 cannot hold version v2, which others hold" in decision.unfit


def test_pods_that_do_not_know_the_format_say_nothing_about_the_bytes(newer):
    refuse(newer, V2, 3, "FormatMismatch")
    assert not newer.decide().quarantine


def test_where_pods_may_not_be_believed_a_person_is_asked(newer):
    newer.spec = {"model": {"rollback": {"automatic": False}}}
    refuse(newer, V2, 3)
    decision = newer.settle()
    assert newer.active == "v2"
    assert "kubectl fraud rollback" in decision.asks


def test_what_another_detector_refused_never_serves_whatever_the_spec_says(newer):
    newer.spec = {"model": {"rollback": {"automatic": False}}}
    other = World(versions=[version("v2")], ledger=newer.ledger)
    other.endings["v2"] = "LoadFailed"
    other.settle()
    newer.settle()
    assert newer.active == "v1"


def test_pods_that_refuse_a_candidate_end_it(world):
    world.spec = {"model": {"rollout": {"strategy": "Canary"}}}
    refuse(world, V2, 2)
    world.versions.insert(0, version("v2"))
    decision = world.settle()
    assert world.trial == ""
    assert [one.version for one in decision.quarantine] == ["v2"]


def test_one_pod_that_refuses_a_candidate_holds_it_up_and_is_named(world):
    refuse(world, V2, 1)
    world.versions.insert(0, version("v2"))
    decision = world.settle()
    assert (world.active, world.trial) == ("v1", "v2 Holding")
    assert "pod cards-scorer-1 cannot hold it" in decision.waiting
    world.pods.pop(0)
    world.settle()
    assert world.active == "v2"


def test_with_nothing_good_left_nothing_answers_but_what_is_declared(world):
    world.spec = {"scoring": {"whenUnavailable": "Decline"}}
    refuse(world, V1, 3)
    decision = world.settle()
    assert decision.plan.active is None
    assert decision.plan.when_unavailable == "decline"
    world.versions.insert(0, version("v2"))
    world.settle()
    assert world.active == "v2"


def test_a_version_further_back_is_found_in_the_history(newer):
    newer.versions.insert(0, version("v3"))
    newer.settle()
    assert newer.plan.last_known_good.version == "v2"
    refuse(newer, qualified(sha256("v3")), 3)
    refuse(newer, V2, 3)
    newer.settle()
    refuse(newer, V2, 3)
    newer.settle()
    assert newer.active == "v1"


def test_released_what_served_answers_again(world):
    refuse(world, V1, 3)
    world.settle()
    assert world.active == ""
    for pod in world.pods:
        pod.refuses.clear()
    world.ask("release", version="v1", reason="it was the nodes' memory")
    world.settle()
    assert world.active == "v1"


# People.


def test_a_person_goes_back_and_it_holds_until_something_else_is_wanted(newer):
    newer.ask("rollback", reason="it declines gift cards")
    newer.settle()
    assert newer.active == "v1"
    assert newer.record.hold.against.version == "v2"
    newer.step()
    newer.listed = False
    newer.settle()
    assert newer.active == "v1"
    newer.listed = True
    newer.versions.insert(0, version("v3"))
    newer.settle()
    assert newer.active == "v3"
    assert newer.record.hold is None


def test_what_was_gone_back_from_is_not_what_there_is_to_go_back_to(newer):
    newer.ask("rollback")
    newer.settle()
    assert newer.plan.last_known_good is None


def test_thresholds_are_changed_on_what_was_gone_back_to(newer):
    newer.ask("rollback")
    newer.settle()
    newer.spec = {"scoring": {"thresholds": {"review": "0.5", "decline": "0.92"}}}
    newer.settle()
    assert newer.active == "v1"
    assert newer.plan.active.thresholds.decline == "0.92"


def test_thresholds_on_what_was_gone_back_to_are_guarded_like_any(newer):
    newer.ask("rollback")
    newer.settle()
    newer.spec = {"scoring": {"thresholds": {"review": "0.05", "decline": "0.08"}}}
    newer.step()
    newer.traffic(1000)
    newer.step()
    assert newer.trial == "v1 Guarded"


def test_going_back_ends_a_canary_too(newer):
    newer.spec = {"model": {"rollout": {"strategy": "Canary"}}}
    newer.versions.insert(0, version("v3"))
    for _ in range(4):
        newer.step()
    assert newer.trial == "v3 Canary"
    newer.ask("rollback", version="v1")
    newer.settle()
    assert (newer.active, newer.trial) == ("v1", "")
    assert newer.record.hold.against.version == "v3"


def test_a_revision_is_restored_whole(world):
    world.spec = {"scoring": {"thresholds": {"review": "0.5", "decline": "0.92"}, "reasons": 1}}
    world.settle()
    before = world.plan.active
    world.spec = {"scoring": {"thresholds": {"review": "0.4", "decline": "0.93"}}}
    world.settle()
    world.ask("rollback")
    world.settle()
    assert world.plan.active == before


def test_one_can_go_back_to_a_version_by_name_if_it_ever_served(newer):
    newer.ask("rollback", version="v7")
    newer.settle()
    assert newer.record.request.outcome == "Refused"
    assert "there are: v1" in newer.record.request.message
    newer.ask("rollback", version="v1")
    newer.settle()
    assert newer.active == "v1"
    newer.ask("rollback", version="v2")
    newer.settle()
    assert newer.active == "v2"
    assert newer.record.hold is None


def test_the_history_keeps_as_many_as_it_is_to_and_whatever_is_needed(world):
    world.spec = {"model": {"rollback": {"historyLimit": 2}}}
    for number in range(2, 7):
        world.versions.insert(0, version(f"v{number}"))
        world.settle()
    kept = [key for key in world.children if key[0] == "ControllerRevision"]
    decision = world.decide()
    assert len(kept) == 2
    assert [one.model.version for one in decision.revisions] == ["v6", "v5"]


# Bytes that are gone.


def test_damaged_bytes_of_what_serves_are_asked_for_and_nobody_goes_back(newer):
    newer.blobs_damaged = {V2}
    decision = newer.settle()
    assert decision.wanted_blobs == (V2,)
    assert newer.active == "v2"


def test_a_pod_that_cannot_get_them_is_no_reason_either(newer):
    newer.pods[0].waits[V2] = "FileMissing"
    newer.hear()
    decision = newer.settle()
    assert decision.wanted_blobs == (V2,)
    assert newer.active == "v2"


def test_where_no_pod_can_get_them_the_version_before_answers_and_nothing_is_refused(newer):
    for pod in newer.pods:
        pod.waits[V2] = "FileMissing"
    newer.hear()
    decision = newer.settle()
    assert newer.active == "v1"
    assert not decision.quarantine
    assert newer.record.hold.by == "the operator"


def test_a_candidate_whose_proven_bytes_are_gone_is_proven_once_more_and_not_for_ever(world):
    for pod in world.pods:
        pod.waits[V2] = "FileMissing"
    world.versions.insert(0, version("v2"))
    decision = world.settle(rounds=200)
    assert world.active == "v1"
    assert world.state_of("v2", decision) == "Inconclusive"
    assert [reason for reason, _ in world.events].count("CandidateBytesGone") == 3
    for pod in world.pods:
        pod.waits.clear()
    world.hear()
    world.ask("sync")
    world.settle()
    assert world.active == "v2"


# Who confirms.


def test_a_pod_that_does_not_confirm_a_withdrawal_gets_no_transactions_until_it_does(newer):
    silent = newer.pods[2]
    silent.reachable = False
    newer.hear()
    refuse(newer, V2, 2)
    decision = newer.step()
    assert decision.isolate == ()
    assert decision.requeue_after is not None
    assert decision.requeue_after <= 1.0
    newer.now += 1.1
    decision = newer.step()
    assert decision.isolate == (silent.name,)
    assert not silent.serving
    newer.settle()
    assert newer.record.withdrawn_serial == 0
    silent.reachable = True
    newer.hear()
    newer.settle()
    assert silent.serving
    assert newer.record.isolated == ()
    assert [reason for reason, _ in newer.events][-2:] == ["PodIsolated", "PodRestored"]


def test_pods_that_confirm_are_left_alone(newer):
    refuse(newer, V2, 2)
    newer.step()
    newer.now += 5
    assert newer.settle().isolate == ()
    assert all(pod.serving for pod in newer.pods)
    assert newer.record.withdrawn_serial == 0


def test_a_restarted_operator_isolates_nobody_without_a_withdrawal(newer):
    for pod in newer.pods:
        pod.heard, pod.silent_since = None, newer.now
    newer.now += 60
    decision = newer.decide()
    assert decision.isolate == ()
    assert decision.record == newer.record


def test_an_outstanding_withdrawal_survives_a_restart_and_gives_pods_their_second(newer):
    refuse(newer, V2, 2)
    newer.carry_out(newer.decide(), until="tell")
    newer.now += 30
    for pod in newer.pods:
        pod.heard, pod.silent_since = None, newer.now
    assert newer.decide().isolate == ()
    newer.now += 1.1
    assert len(newer.decide().isolate) == 3


def test_a_clock_that_is_behind_gives_a_silent_pod_no_more_than_its_second(newer):
    """Another operator took over, or the clock was set back by an hour."""
    newer.pods[2].reachable = False
    newer.hear()
    refuse(newer, V2, 2)
    newer.step()
    newer.now -= 3600
    newer.pods[2].silent_since = newer.now
    newer.step()
    newer.now += 1.1
    assert newer.step().isolate == (newer.pods[2].name,)


@pytest.mark.parametrize("edited", ["", "yesterday", "2026-01-01T00:00:00"])
def test_a_time_that_was_edited_by_hand_does_not_keep_a_silent_pod_in_the_service(newer, edited):
    newer.pods[2].reachable = False
    newer.hear()
    refuse(newer, V2, 2)
    newer.step()
    config_map = newer.children[CONFIG_MAP]
    record = encode(structs.replace(newer.record, withdrawn_at=edited))
    data = {**config_map["data"], "record.json": record}
    newer.children[CONFIG_MAP] = {**config_map, "data": data}
    newer.now += 1.1
    assert newer.step().isolate == (newer.pods[2].name,)


def test_who_took_a_pod_out_by_hand_keeps_it_out(world):
    world.pods[0].serving = False
    decision = world.settle()
    assert decision.restore == ()
    assert not world.pods[0].serving


def test_a_promotion_isolates_nobody(world):
    world.pods[2].reachable = False
    world.hear()
    world.versions.insert(0, version("v2"))
    for _ in range(5):
        world.step()
        world.now += 2
    assert all(pod.serving for pod in world.pods)
    assert world.active == "v1", "not every pod that answers holds it"


def test_pods_that_follow_a_later_plan_are_overtaken(world):
    """The ConfigMap was restored from a backup."""
    old = dict(world.children)
    world.versions.insert(0, version("v2"))
    world.settle()
    serial = world.plan.serial
    world.children = old
    decision = world.decide()
    assert decision.plan.serial > serial


def test_a_lost_plan_is_made_again_from_the_history(newer):
    del newer.children[CONFIG_MAP]
    decision = newer.decide()
    assert decision.plan.active.digest == V2
    assert decision.plan.serial > newer.pods[0].plan.serial


def test_a_pod_that_hangs_holds_nobody_up_who_goes_back(newer):
    """An operator that was restarted has never heard of it."""
    silent = newer.pods[2]
    silent.reachable, silent.heard, silent.silent_since = False, None, newer.now
    newer.now += 5
    newer.ask("rollback", reason="it declines gift cards")
    newer.settle()
    assert newer.active == "v1"
    newer.now += 5
    newer.settle()
    assert not silent.serving
    assert all(pod.serving for pod in newer.pods[:2])


def test_with_no_pod_to_be_reached_nobody_goes_anywhere(newer):
    for pod in newer.pods:
        pod.reachable, pod.heard, pod.silent_since = False, None, newer.now
    newer.now += 5
    newer.ask("rollback", reason="it declines gift cards")
    newer.settle()
    assert newer.active == "v2"
    assert newer.trial == "v1 Holding"
