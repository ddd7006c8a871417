"""What status says of models: how far each version is, what waits for whom, and what to do."""

from collections.abc import Mapping
from typing import Any

import pytest

from fraud_operator.api.fields import validated
from fraud_operator.api.status import FraudDetectorStatus
from fraud_operator.plan.types import Request, StoreView
from tests.support.worlds import MINIMAL, World, damaged, listing, manifest

CANARY = {
    "strategy": "Canary",
    "canary": {"steps": [1, 10], "stepDuration": "60s", "minRequests": 100},
}


def settled(**spec: Any) -> World:
    world = World(spec={**MINIMAL, **spec})
    world.settle()
    return world


def with_model(**model: Any) -> dict[str, Any]:
    return {"model": {**MINIMAL["model"], **model}}


def model(world: World) -> Mapping[str, Any]:
    validated(FraudDetectorStatus, world.status, "status")
    return world.status["model"]


def states(world: World) -> dict[str, str]:
    return {one["version"]: one["state"] for one in model(world)["versions"]}


def said(world: World, condition: str) -> tuple[str, str, str]:
    found = world.condition(condition)
    return found["status"], found["reason"], found["message"]


def test_what_serves_and_since_when():
    world = settled()
    shown = model(world)
    assert shown["activeVersion"] == "v1"
    assert shown["activeDigest"] == manifest("v1").digest
    assert shown["activeSince"] == shown["history"][0]["since"]
    assert shown["history"][0]["why"] == "FirstVersion"
    assert shown["pods"] == {"serial": 1, "confirmed": 3, "total": 3}
    assert shown["versions"][0]["report"] == "s3://fraud-models/card-payments/.proofs/x.json"
    assert states(world) == {"v1": "Active"}


def test_a_version_on_its_way():
    world = settled()
    world.store = listing("v2", "v1")
    world.step()
    assert states(world) == {"v2": "Verifying", "v1": "Active"}
    assert said(world, "ModelVerified")[:2] == ("Unknown", "Verifying")
    assert world.condition("Reconciling")["reason"] == "Verifying"
    assert world.condition("Ready")["status"] == "True"
    world.step()
    assert states(world) == {"v2": "Holding", "v1": "Active"}
    assert world.condition("Reconciling")["reason"] == "ChangingModel"
    world.settle()
    assert states(world) == {"v2": "Active", "v1": "Proven"}
    assert model(world)["lastKnownGood"]["version"] == "v1"
    assert world.condition("Reconciling")["status"] == "False"


def test_a_canary_says_its_step_and_share():
    world = settled(**with_model(rollout=CANARY))
    world.store = listing("v2", "v1")
    for _ in range(3):
        world.step()
    candidate = model(world)["candidate"]
    assert (candidate["state"], candidate["step"], candidate["steps"]) == ("Canary", 1, 2)
    assert candidate["share"] == 1
    status, reason, message = said(world, "RolloutHealthy")
    assert (status, reason) == ("True", "Canary")
    assert "answers 1% of all transactions: step 1 of 2" in message
    assert world.status["effective"]["model"]["rollout"]["steps"] == [1, 10]


def test_a_canary_without_traffic_waits_for_a_person_and_is_not_under_way():
    world = settled(**with_model(rollout=CANARY))
    world.store = listing("v2", "v1")
    for _ in range(70):
        world.step()
    assert states(world)["v2"] == "Inconclusive"
    assert "share" not in model(world)["candidate"]
    status, reason, message = said(world, "RolloutHealthy")
    assert (status, reason) == ("False", "TooLittleTraffic")
    assert "kubectl fraud promote" in message
    assert world.condition("Reconciling")["status"] == "False"
    assert world.condition("Ready")["status"] == "True"


def test_a_refused_version_is_told_with_what_to_do():
    world = settled()
    world.refused[manifest("v2").digest] = "GoldenMismatch"
    world.store = listing("v2", "v1")
    world.settle()
    (entry,) = model(world)["quarantined"]
    assert (entry["version"], entry["reason"], entry["scope"]) == ("v2", "GoldenMismatch", "Bytes")
    assert states(world) == {"v2": "Quarantined", "v1": "Active"}
    status, reason, message = said(world, "ModelVerified")
    assert (status, reason) == ("False", "GoldenMismatch")
    assert "Version v1 keeps serving" in message
    assert "kubectl fraud release card-payments v2" in message
    reasons = [event.reason for event in world.events if event.type == "Warning"]
    assert reasons == ["GoldenMismatch"]


def test_without_any_good_version_it_stalls():
    world = World()
    world.refused[manifest("v1").digest] = "DigestMismatch"
    world.settle()
    assert world.condition("Stalled")["reason"] == "NoUsableVersion"
    assert world.condition("Ready")["status"] == "False"
    assert model(world)["quarantined"][0]["scope"] == "Publication"


def test_a_verification_without_a_verdict_stalls_after_its_last_try():
    world = settled()
    world.refused[manifest("v2").digest] = "Inconclusive"
    world.store = listing("v2", "v1")
    for _ in range(20):
        world.step()
    status, reason, message = said(world, "Stalled")
    assert (status, reason) == ("True", "VerificationInconclusive")
    assert "Evicted: the node was drained" in message
    assert "kubectl fraud sync card-payments" in message
    assert states(world)["v2"] == "Inconclusive"


def test_a_pinned_version_that_is_missing_stalls():
    world = settled()
    world.change(**with_model(version="v9"))
    world.settle()
    assert world.condition("ModelVerified")["reason"] == "VersionMissing"
    assert world.condition("Stalled")["reason"] == "PinnedVersionUnusable"


def test_what_was_deleted_serves_from_its_proven_bytes():
    world = settled()
    world.store = StoreView(listed=True)
    world.settle()
    status, reason, message = said(world, "ModelVerified")
    assert (status, reason) == ("False", "ActiveMissing")
    assert "keeps serving from its proven bytes" in message
    assert world.condition("Ready")["status"] == "True"


def test_a_damaged_manifest_is_told():
    world = settled()
    world.store = listing("v1", damaged("v2"))
    world.settle()
    assert said(world, "ModelVerified")[:2] == ("False", "ManifestInvalid")


def test_a_lone_pod_in_trouble_is_named():
    world = settled()
    world.pods[0].refuses[manifest("v1").digest] = "GoldenMismatch"
    world.pods[0].heard = world.pods[0].report()
    world.step()
    status, reason, message = said(world, "ModelVerified")
    assert (status, reason) == ("False", "PodsUnfit")
    assert "Pod card-payments-scorer-0" in message


def test_where_rollback_is_by_hand_it_is_asked_for():
    world = settled(**with_model(rollback={"automatic": False}))
    for pod in world.pods:
        pod.refuses[manifest("v1").digest] = "GoldenMismatch"
        pod.heard = pod.report()
    world.step()
    assert world.condition("Stalled")["reason"] == "ActiveRefused"
    assert "kubectl fraud rollback" in world.condition("Stalled")["message"]
    assert model(world)["activeVersion"] == "v1"


def test_what_is_held_back_is_told_with_who_and_why():
    world = settled()
    world.store = listing("v2", "v1")
    world.settle()
    world.request = Request("1", "rollback", reason="it declines gift cards", by="ana")
    world.settle()
    shown = model(world)
    assert shown["activeVersion"] == "v1"
    assert (shown["heldBack"]["against"], shown["heldBack"]["by"]) == ("v2", "ana")
    assert shown["request"]["outcome"] == "Done"
    status, reason, message = said(world, "RolloutHealthy")
    assert (status, reason) == ("False", "HeldBack")
    assert "by ana: it declines gift cards" in message


def test_bytes_that_the_store_lost_are_told():
    world = settled()
    world.damaged_blobs = {manifest("v1").digest}
    world.settle()
    status, reason, message = said(world, "ModelVerified")
    assert (status, reason) == ("False", "BlobDamaged")
    assert manifest("v1").digest in message
    assert world.condition("Ready")["status"] == "True"


def test_the_declared_answer_is_told_while_there_is_no_model():
    world = World(spec={**MINIMAL, "scoring": {"whenUnavailable": "Review"}})
    world.store = StoreView(listed=True)
    world.settle()
    assert world.condition("Ready")["status"] == "False"
    assert "Transactions are answered with Review." in world.condition("Ready")["message"]
    assert world.deployment is not None


@pytest.mark.parametrize("reason", ["StoreUnreachable", "AccessDenied"])
def test_a_store_that_is_away_changes_nothing_that_is_known(reason):
    world = settled()
    before = model(world)
    world.store = StoreView((), reason, "no answer", listed=True)
    world.settle()
    assert model(world) == before
    assert said(world, "ModelStoreReachable")[:2] == ("False", reason)
    assert world.condition("Ready")["status"] == "True"
