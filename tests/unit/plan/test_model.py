"""Which version is served: the newest or the pinned one, and what happens when it is no good."""

import pytest

from fraud_operator.plan.types import StoreView
from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact.manifest import Thresholds
from tests.support.worlds import World, damaged, listing, manifest, stored

UNREAD = StoreView()


def digest(version: str) -> str:
    return manifest(version).digest


def serving(*versions: str) -> World:
    """A detector that went through these versions, the last one of which serves."""
    world = World()
    for index in range(len(versions)):
        world.store = listing(*reversed(versions[: index + 1]))
        world.settle()
    assert world.serving() == versions[-1]
    return world


def pin(world: World, version: str) -> None:
    world.change(model={**world.spec["model"], "version": version})


def test_the_newest_is_served():
    world = serving("v1", "v2")
    assert world.status["model"] == {
        "activeVersion": "v2",
        "activeDigest": digest("v2"),
        "activeRevision": world.status["model"]["activeRevision"],
        "lastKnownGood": {
            "version": "v1",
            "digest": digest("v1"),
            "revision": world.status["model"]["lastKnownGood"]["revision"],
        },
        "available": ["v2", "v1"],
    }


def test_it_is_active_only_when_every_pod_has_accepted_it():
    world = serving("v1")
    world.store = listing("v2", "v1")
    world.step()
    model = world.status["model"]
    assert (model["activeVersion"], model["candidateVersion"]) == ("v1", "v2")
    assert world.condition("ModelVerified")["status"] == "Unknown"
    world.settle()
    assert world.status["model"]["activeVersion"] == "v2"
    assert "candidateVersion" not in world.status["model"]


def test_the_pinned_one_is_served_though_there_are_newer():
    world = serving("v1", "v2")
    pin(world, "v1")
    world.settle()
    assert world.serving() == "v1"
    assert world.condition("Ready")["status"] == "True"


def test_a_refused_one_is_never_tried_again_and_the_old_pods_come_back_untouched():
    world = serving("v1")
    assert world.deployment is not None
    before = world.deployment["spec"]["template"]
    world.refused[digest("v2")] = "DigestMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    assert world.serving() == "v1"
    assert world.deployment["spec"]["template"] == before
    assert world.pods_made == 3  # v1, v2, and back to v1, whose ReplicaSet is the old one
    world.settle()
    assert world.pods_made == 3


def test_a_refusal_is_persisted_before_anything_else_is_done():
    world = serving("v1")
    world.refused[digest("v2")] = "DigestMismatch"
    world.store = listing("v2", "v1")
    world.step()
    world.run_pods()
    from fraud_operator.plan.detector import plan

    made = plan(world.inputs())
    assert made.status_first
    assert made.status["model"]["quarantined"][0]["digest"] == digest("v2")
    world.status = made.status
    assert not plan(world.inputs()).status_first


def test_the_condition_names_file_expected_actual_and_what_to_do():
    world = serving("v1")
    world.refused[digest("v2")] = "DigestMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    condition = world.condition("ModelVerified")
    assert (condition["status"], condition["reason"]) == ("False", "DigestMismatch")
    for part in ("v2/model.fdm", digest("v2"), "sha256:0000", "Version v1 keeps serving"):
        assert part in condition["message"]
    assert "Publish the model again" in condition["message"]
    assert world.condition("Ready")["status"] == "True"
    assert [event.reason for event in world.events].count("DigestMismatch") == 1


def test_the_same_bytes_under_another_name_are_not_tried():
    world = serving("v1")
    world.refused[digest("v2")] = "GoldenMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    again = stored(manifest("v3", content="v2"))
    world.store = listing(again, "v2", "v1")
    world.settle()
    assert world.serving() == "v1"
    assert world.pods_made == 3


def test_other_bytes_under_the_same_name_are():
    world = serving("v1")
    world.refused[digest("v2")] = "DigestMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    world.store = listing(stored(manifest("v2", content="mended")), "v1")
    world.settle()
    assert world.serving() == "v2"
    assert world.condition("ModelVerified")["status"] == "True"


def test_a_roll_back_holds_until_a_newer_version_comes():
    world = serving("v1")
    world.refused[digest("v2")] = "LoadFailed"
    world.store = listing("v2", "v1")
    world.settle()
    world.store = listing("v3", "v2", "v1")
    world.settle()
    assert world.serving() == "v3"


def test_active_bytes_that_are_overwritten_lead_back_to_the_last_known_good():
    world = serving("v1", "v2")
    world.refused[digest("v2")] = "DigestMismatch"
    world.settle()
    assert world.serving() == "v1"
    assert "lastKnownGood" not in world.status["model"]


def test_with_nothing_to_go_back_to_what_serves_goes_on_serving():
    world = serving("v1")
    assert world.deployment is not None
    before = world.deployment["spec"]["template"]
    world.refused[digest("v1")] = "DigestMismatch"
    world.settle()
    assert world.deployment["spec"]["template"] == before
    assert world.condition("ModelVerified")["reason"] == "ActiveRefused"


def test_pods_that_cannot_load_what_serves_take_nothing_down():
    world = serving("v1")
    world.refused[digest("v1")] = "FormatMismatch"
    world.change(scorer={"image": "registry.test/other:1"})
    world.settle()
    assert world.serving() == "v1"
    assert "quarantined" not in world.status["model"]
    condition = world.condition("ModelVerified")
    assert (condition["status"], condition["reason"]) == ("False", "PodsUnfit")
    assert "spec.scorer.image" in condition["message"]


def test_a_first_version_that_is_refused_leaves_no_pods_that_crash_on():
    world = World()
    world.refused[digest("v1")] = "GoldenMismatch"
    world.settle()
    assert world.deployment is None
    assert world.condition("Stalled")["reason"] == "NoUsableVersion"
    assert world.condition("Ready")["status"] == "False"
    world.store = listing("v2", "v1")
    world.settle()
    assert world.serving() == "v2"
    assert world.condition("Ready")["status"] == "True"


def test_without_any_version_there_are_no_pods_and_the_status_says_how_to_publish():
    world = World(store=listing())
    world.settle()
    assert world.deployment is None
    assert ("Service", "card-payments-scorer") in world.children
    condition = world.condition("ModelVerified")
    assert (condition["status"], condition["reason"]) == ("False", "NoVersion")
    assert "fraud-scorer publish" in condition["message"]
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Stalled")["status"] == "False"


def test_a_pinned_version_that_is_missing_leaves_what_serves():
    world = serving("v1")
    pin(world, "v7")
    world.settle()
    assert world.serving() == "v1"
    assert world.condition("ModelVerified")["reason"] == "VersionMissing"
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "PinnedVersionUnusable")
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("ScorerAvailable")["status"] == "True"


def test_a_pinned_version_that_is_missing_gives_a_new_detector_no_other():
    world = World()
    pin(world, "v7")
    world.settle()
    assert world.deployment is None
    assert "v7" in world.condition("Stalled")["message"]


def test_a_pinned_version_that_is_refused_leaves_what_serves():
    world = serving("v1", "v2")
    world.refused[digest("v3")] = "DigestMismatch"
    world.store = listing("v3", "v2", "v1")
    pin(world, "v3")
    world.settle()
    assert world.serving() == "v2"
    assert world.condition("Stalled")["reason"] == "PinnedVersionUnusable"


def test_the_last_known_good_can_be_pinned_while_the_store_is_away():
    world = serving("v1", "v2")
    world.store = StoreView(reason="StoreUnreachable", message="no answer", listed=True)
    pin(world, "v1")
    world.settle()
    assert world.serving() == "v1"


@pytest.mark.parametrize(
    "store",
    [
        UNREAD,
        StoreView(reason="StoreUnreachable", message="no answer", listed=True),
        StoreView(reason="AccessDenied", message="no", listed=True),
        listing(),
    ],
)
def test_whatever_the_store_says_what_serves_goes_on_serving(store):
    world = serving("v1", "v2")
    assert world.deployment is not None
    before = world.deployment["spec"]["template"]
    world.store = store
    world.settle()
    assert world.deployment["spec"]["template"] == before
    assert world.condition("Ready")["status"] == "True"


def test_a_store_that_is_away_is_told():
    world = serving("v1")
    world.store = StoreView(reason="StoreUnreachable", message="no answer", listed=True)
    world.settle()
    condition = world.condition("ModelStoreReachable")
    assert (condition["status"], condition["message"]) == ("False", "no answer")
    assert world.condition("Stalled")["status"] == "False"


def test_a_store_that_will_never_answer_this_spec_stalls_it():
    world = serving("v1")
    world.store = StoreView(reason="BucketMissing", message="create it", listed=True)
    world.change(model={"source": {"s3": {"bucket": "other-bucket"}}})
    world.settle()
    assert world.serving() == "v1"
    assert world.condition("Stalled")["reason"] == "StoreUnusable"
    assert world.condition("Ready")["status"] == "False"


def test_a_restarted_operator_takes_nothing_back_before_it_has_looked():
    world = serving("v1")
    world.refused[digest("v2")] = "DigestMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    said = world.condition("ModelVerified")
    writes, pods = world.status_writes, world.pods_made
    world.store = UNREAD
    world.settle()
    assert world.condition("ModelVerified") == said
    assert (world.status_writes, world.pods_made) == (writes, pods)


def test_a_version_deleted_from_the_store_gives_way_to_the_newest_left():
    world = serving("v1", "v2")
    world.store = listing("v1")
    world.settle()
    assert world.serving() == "v1"


def test_a_version_whose_manifest_is_damaged_is_passed_over_and_told():
    world = serving("v1")
    world.store = listing("v1", damaged("v2"))
    world.settle()
    assert world.serving() == "v1"
    condition = world.condition("ModelVerified")
    assert (condition["status"], condition["reason"]) == ("False", "ManifestInvalid")
    assert "v2/manifest.json" in condition["message"]


def test_a_manifest_damaged_after_its_version_was_proven_is_no_reason_to_go_back():
    world = serving("v1", "v2")
    world.store = listing("v1", damaged("v2"))
    world.settle()
    assert world.serving() == "v2"
    world.store = listing("v3", "v1", damaged("v2"))
    world.settle()
    assert world.serving() == "v3"
    assert world.condition("ModelVerified")["status"] == "True"


def test_thresholds_are_the_specs_else_the_versions_else_the_defaults():
    own = stored(manifest("v1", thresholds=Thresholds(review="0.2", decline="0.3")))
    world = World(store=listing(own))
    world.settle()
    assert world.status["effective"]["scoring"]["thresholds"] == {"review": "0.2", "decline": "0.3"}
    world.change(scoring={"thresholds": {"review": "0.6", "decline": "0.7"}})
    world.settle()
    assert world.status["effective"]["scoring"]["thresholds"] == {"review": "0.6", "decline": "0.7"}
    assert world.pods_made == 2
    world.store = listing(stored(manifest("v1")))
    world.change(scoring={})
    world.settle()
    assert world.status["effective"]["scoring"]["thresholds"] == {
        "review": "0.50",
        "decline": "0.90",
    }


def reasons(world: World) -> int:
    config_map = world.children["ConfigMap", "card-payments-model-plan"]
    plans = [model_plans.decode(text) for text in config_map["data"].values()]
    revision = world.status["model"]["activeRevision"]
    return next(plan.active.reasons for plan in plans if plan.revision == revision)


def test_the_number_of_reasons_reaches_the_pods():
    world = serving("v1")
    assert reasons(world) == 4
    world.change(scoring={"reasons": 1})
    world.settle()
    assert world.status["effective"]["scoring"]["reasons"] == 1
    assert reasons(world) == 1
    assert world.pods_made == 2


def test_the_number_of_reasons_can_be_changed_while_the_store_is_away():
    world = serving("v1")
    world.store = StoreView((), "StoreUnreachable", "no answer", listed=True)
    world.change(scoring={"reasons": 0})
    world.settle()
    assert reasons(world) == 0


def test_thresholds_can_be_changed_while_the_store_is_away():
    world = serving("v1")
    world.store = StoreView(reason="StoreUnreachable", message="no answer", listed=True)
    world.change(scoring={"thresholds": {"review": "0.6", "decline": "0.7"}})
    world.settle()
    assert world.status["effective"]["scoring"]["thresholds"]["review"] == "0.6"
    assert world.serving() == "v1"


@pytest.mark.parametrize("lost", ["status", "plans", "both"])
def test_what_was_lost_is_found_again_and_no_pod_is_replaced(lost):
    world = serving("v1", "v2")
    if lost in ("status", "both"):
        world.status = {"observedGeneration": -1}
    if lost in ("plans", "both"):
        del world.children["ConfigMap", "card-payments-model-plan"]
    pods = world.pods_made
    world.settle()
    assert world.pods_made == pods
    assert world.status["model"]["activeVersion"] == "v2"


def test_with_everything_lost_and_the_store_away_pods_are_left_alone():
    world = serving("v1")
    world.status = {"observedGeneration": -1}
    del world.children["ConfigMap", "card-payments-model-plan"]
    world.store = StoreView(reason="StoreUnreachable", message="no answer", listed=True)
    before = world.deployment
    world.settle()
    assert world.deployment == before


def test_pods_are_only_counted_as_proof_when_there_are_any():
    world = World()
    world.change(scorer={"replicas": 0})
    world.settle()
    assert "activeVersion" not in world.status["model"]
    world.change(scorer={"replicas": 1})
    world.settle()
    assert world.status["model"]["activeVersion"] == "v1"


def test_a_refusal_is_kept_though_the_status_was_lost_and_the_store_not_looked_at_yet():
    """Otherwise the same bytes would be tried again and again."""
    world = World()
    world.step()
    world.refused[digest("v1")] = "DigestMismatch"
    world.status = {"observedGeneration": -1}
    world.store = UNREAD
    pin(world, "v1")
    world.settle()
    assert world.deployment is None
    assert world.status["model"]["quarantined"][0]["digest"] == digest("v1")
