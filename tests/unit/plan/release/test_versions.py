"""Which version is wanted, and what becomes of its verification."""

from fraud_operator.plan.release.verifications import MOST_FAILURES
from tests.support.releases import World, bare, damaged, sha256, version


def reasons(world: World) -> list[str]:
    return [reason for reason, _ in world.events]


def test_the_first_version_serves_once_it_is_proven():
    world = World(versions=[version("v1")])
    decision = world.step()
    assert decision.plan is None
    assert decision.verify is not None
    assert world.state_of("v1", decision) == "Verifying"
    decision = world.step()
    assert world.active == "v1"
    assert world.state_of("v1", decision) == "Active"
    assert decision.verify is None
    assert decision.history is not None
    assert decision.history.why == "FirstVersion"


def test_the_proven_bytes_are_what_pods_fetch(world):
    assert world.plan.active.model.path == f".blobs/sha256/{sha256('v1')}"


def test_pods_prove_it_with_the_tolerance_that_it_was_proven_with(world):
    world.spec = {"model": {"verification": {"goldenTolerance": "1e-6"}}}
    assert world.settle().plan.active.golden_tolerance == 1e-9, "what serves is left alone"
    world.versions.insert(0, version("v2"))
    assert world.settle().plan.active.golden_tolerance == 1e-6


def test_the_newest_proven_wins_and_what_served_is_held_to_go_back_to(world):
    world.versions.insert(0, version("v2"))
    world.settle()
    assert world.active == "v2"
    assert world.plan.last_known_good.version == "v1"
    assert reasons(world) == ["CandidateFound", "Promoted"]


def test_pods_hold_a_version_before_any_answers_with_it(world):
    world.versions.insert(0, version("v2"))
    decision = world.step()
    while decision.plan.candidate is None:
        decision = world.step()
    assert (world.active, decision.plan.candidate.share) == ("v1", 0)
    world.step()
    assert world.active == "v2"


def test_older_versions_are_not_verified_at_all(world):
    world.versions.append(version("v0", day=-5))
    decision = world.settle()
    assert world.state_of("v0", decision) == "Discovered"
    assert world.active == "v1"


def test_a_pin_goes_back_to_an_older_version_and_forward_again(world):
    world.versions.insert(0, version("v2"))
    world.settle()
    world.spec = {"model": {"version": "v1"}}
    world.settle()
    assert world.active == "v1"
    world.spec = {}
    world.settle()
    assert world.active == "v2"


def test_a_pinned_version_that_is_not_there_leaves_what_serves(world):
    world.spec = {"model": {"version": "v9"}}
    decision = world.settle()
    assert world.active == "v1"
    assert decision.wanted is None


def test_a_pinned_version_that_was_deleted_serves_from_its_proven_bytes(world):
    world.versions = [version("v2")]
    world.settle()
    assert world.active == "v2"
    world.spec = {"model": {"version": "v1"}}
    world.settle()
    assert world.active == "v1"


def test_of_two_publishers_at_once_the_newer_wins_and_nothing_is_lost(world):
    world.versions = [version("v3"), version("v2"), version("v1")]
    world.settle()
    assert world.active == "v3"
    assert [one.version for one in world.plan.models] == ["v3", "v1"]


def test_a_version_overwritten_in_place_is_verified_anew_while_the_old_bytes_serve(world):
    before = world.plan.active
    world.versions = [version("v1", content="others", day=2, changed="again")]
    decision = world.step()
    assert decision.verify is not None
    assert decision.plan.active == before
    world.settle()
    assert world.plan.active.digest == "sha256:" + sha256("others")
    assert world.plan.last_known_good == before


def test_overwritten_with_rubbish_it_keeps_serving(world):
    before = world.plan.active
    world.versions = [version("v1", content="others", changed="again")]
    world.endings["v1"] = "DigestMismatch"
    decision = world.settle()
    assert decision.plan.active == before
    assert world.state_of("v1", decision) == "Quarantined"


def test_damaged_deleted_or_half_uploaded_it_keeps_serving(world):
    before = world.plan
    for listed in ([damaged("v1")], [], [version("v0", day=-5)]):
        world.versions = listed
        world.settle()
        assert world.plan == before


def test_a_damaged_manifest_of_a_newer_version_is_told(world):
    world.versions.append(damaged("v2"))
    decision = world.settle()
    assert [(one.version, one.state) for one in decision.passed_over] == [("v2", "Damaged")]
    assert world.active == "v1"


def test_an_operator_that_just_started_wants_what_was_wanted(world):
    world.spec = {"model": {"rollout": {"strategy": "Canary"}}}
    world.versions.insert(0, version("v2"))
    for _ in range(4):
        world.step()
    assert world.trial == "v2 Canary"
    world.listed = False
    world.step()
    assert world.trial == "v2 Canary"


def test_a_bare_file_is_compiled_first(world):
    world.versions.insert(0, bare("v2"))
    decision = world.step()
    assert decision.verify is not None
    assert decision.verify.bare
    world.settle()
    assert world.active == "v2"
    world.versions[0] = bare("v2", etag="2")
    assert world.step().verify is not None


def test_a_refused_version_is_never_tried_again_under_any_name(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "GoldenMismatch"
    world.settle()
    assert reasons(world) == ["GoldenMismatch"]
    world.versions.insert(0, version("v3", content="v2"))
    decision = world.step()
    assert decision.verify is None
    assert world.state_of("v3", decision) == "Quarantined"
    assert world.active == "v1"


def test_a_bare_file_that_was_refused_is_refused_when_it_is_uploaded_again(world):
    world.versions.insert(0, bare("v2"))
    world.endings["v2"] = "CompileFailed"
    world.settle()
    world.versions[0] = bare("v2", etag="2")
    assert world.step().verify is not None
    world.settle()
    assert world.step().verify is None
    assert world.active == "v1"


def test_the_quarantine_outlives_the_detector(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "LoadFailed"
    world.settle()
    assert [one.rsplit("/", 1)[0] for one in world.ledger] == [".quarantine"]
    again = World(versions=world.versions, ledger=world.ledger)
    decision = again.settle()
    assert again.active == "v1"
    assert again.state_of("v2", decision) == "Quarantined"


def test_a_forged_manifest_takes_down_nothing_that_serves(world):
    """It states the digest of what serves, and comes with other bytes, or other golden rows."""
    for name, ending in (("v8", "DigestMismatch"), ("v9", "GoldenMismatch")):
        world.versions.insert(0, version(name, content="v1"))
        world.endings[name] = ending
        decision = world.settle()
        assert world.active == "v1"
        assert world.state_of(name, decision) == "Quarantined"


def test_a_released_version_is_tried_again_and_the_release_is_recorded(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "GoldenMismatch"
    world.settle()
    world.ask("release", version="v2")
    world.settle()
    assert world.record.request.outcome == "Refused"
    assert "--reason" in world.record.request.message
    world.endings["v2"] = "Proven"
    world.ask("release", version="v2", reason="the golden rows were of another day")
    world.settle()
    assert world.active == "v2"
    (entry,) = world.ledger.values()
    assert entry.released.by == "ana"
    assert entry.released.reason == "the golden rows were of another day"


def test_a_release_is_heard_by_others_that_share_the_store(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "GoldenMismatch"
    world.settle()
    other = World(versions=list(world.versions), ledger=world.ledger)
    other.settle()
    other.add_pods(1)
    world.endings["v2"] = "Proven"
    world.ask("release", version="v2", reason="it was a mistake")
    world.settle()
    other.settle()
    assert other.active == "v2"


def test_refused_again_after_a_release_it_is_refused(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "GoldenMismatch"
    world.settle()
    world.ask("release", version="v2", reason="let us see")
    world.settle()
    assert world.active == "v1"
    (entry,) = world.ledger.values()
    assert entry.refused
    assert entry.turn == 3


def test_a_verification_without_a_verdict_is_tried_again_with_longer_pauses(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "Inconclusive"
    world.step()
    decision = world.step()
    assert decision.verify is None
    assert decision.requeue_after == 15.0
    world.now += 15
    assert world.step().verify.attempt == 2
    assert world.step().requeue_after == 60.0
    world.now += 60
    assert world.step().verify.attempt == 3
    decision = world.step()
    assert decision.verify is None
    assert decision.requeue_after is None
    assert world.state_of("v2", decision) == "Inconclusive"
    assert reasons(world) == ["VerificationInconclusive"] * MOST_FAILURES


def test_what_was_given_up_is_tried_again_when_asked_or_published_anew(world):
    world.versions.insert(0, version("v2"))
    world.endings["v2"] = "Inconclusive"
    world.settle()
    world.ask("sync")
    assert world.decide().verify.attempt == 4
    world.settle()
    world.endings["v2"] = "Proven"
    world.versions[0] = version("v2", changed="published anew")
    world.settle()
    assert world.active == "v2"


def test_while_the_newest_cannot_be_verified_the_one_before_takes_over(world):
    world.versions = [version("v3"), version("v2"), version("v1")]
    world.endings["v3"] = "Inconclusive"
    decision = world.settle()
    assert world.active == "v2"
    assert [one.state for one in decision.versions] == ["Inconclusive", "Active", "Proven"]


def test_overwritten_while_it_was_verified_it_is_verified_anew(world):
    world.versions.insert(0, version("v2"))
    world.carry_out(world.decide())
    world.versions[0] = version("v2", changed="meanwhile")
    world.finish_jobs()
    world.settle()
    assert world.active == "v2"
    assert world.plan.active.manifest.sha256 == world.versions[0].manifest_sha256
