"""The status: true from the first moment, still while nothing happens, and saying what to do."""

import pytest

from fraud_operator.api.fields import validated
from fraud_operator.api.status import FraudDetectorStatus
from fraud_operator.plan.types import ChildResult, StoreView
from tests.support.worlds import FULL, MINIMAL, World, detector, listing, manifest

PODS = {"spec.model.source.s3.credentialsSecret": "Secret x/y does not exist: create it"}


def kstatus(world: World) -> str:
    """What tools that follow kstatus make of the object."""
    if world.status["observedGeneration"] != world.generation:
        return "InProgress"
    for condition in world.status.get("conditions", ()):
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return "InProgress"
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return "Failed"
    ready = world.condition("Ready").get("status")
    return "Current" if ready == "True" else "InProgress"


def settled(**given) -> World:
    world = World(**given)
    world.settle()
    return world


def result(outcome, reason="", message="") -> ChildResult:
    return ChildResult("service", "Service", "card-payments-scorer", outcome, reason, message)


def test_a_detector_comes_up_in_three_writes_and_one_event():
    world = World()
    assert kstatus(world) == "InProgress"
    world.step()
    assert kstatus(world) == "InProgress"
    assert world.condition("Ready")["status"] == "Unknown"
    assert world.condition("ModelVerified")["reason"] == "Verifying"
    world.step()  # its Deployment is there, its pods are not ready
    world.settle()
    assert kstatus(world) == "Current"
    assert world.status_writes == 3
    (event,) = world.events
    assert (event.type, event.reason) == ("Normal", "Serving")
    assert "Version v1 answers." in event.message
    assert "Enough pods answer" in event.message


def test_nothing_is_said_before_the_store_was_looked_at():
    world = World(store=StoreView())
    world.step()
    assert world.status == {"observedGeneration": -1}
    assert ("Service", "card-payments-scorer") in world.children


def test_nothing_moves_while_nothing_happens():
    world = settled()
    writes, events = world.status_writes, len(world.events)
    for _ in range(5):
        world.step()
        world.run_pods()
    assert (world.status_writes, len(world.events)) == (writes, events)


@pytest.mark.parametrize("spec", [None, FULL])
def test_it_is_what_the_schema_says(spec):
    world = World() if spec is None else World(spec=dict(spec))
    world.refused[manifest("v2").digest] = "DigestMismatch"
    for names in (("v1",), ("v2", "v1"), ("v3", "v2", "v1")):
        world.store = listing(*names)
        world.step()
        validated(FraudDetectorStatus, world.status, "status")
        world.settle()
        validated(FraudDetectorStatus, world.status, "status")


def test_a_change_of_the_spec_is_current_only_when_every_pod_is_of_it():
    world = settled()
    world.change(scorer={"terminationGracePeriodSeconds": 60})
    assert kstatus(world) == "InProgress"
    world.step()
    assert kstatus(world) == "InProgress"
    assert world.condition("Ready")["status"] == "Unknown"
    assert world.condition("ScorerAvailable")["status"] == "True"
    world.settle()
    assert kstatus(world) == "Current"


def test_a_new_model_leaves_the_detector_ready():
    """It is what the spec asks for: the newest proven one serves all the time."""
    world = settled()
    world.store = listing("v2", "v1")
    world.step()
    assert world.condition("Reconciling")["status"] == "True"
    assert world.condition("Ready")["status"] == "True"


def test_too_few_pods_are_told_with_what_is_wrong_with_them():
    world = settled()
    assert world.deployment is not None
    world.deployment["status"].update(availableReplicas=1, readyReplicas=1)
    world.step()
    condition = world.condition("ScorerAvailable")
    assert (condition["status"], condition["reason"]) == ("False", "TooFewPods")
    assert "1 of 3 pods answer; 2 must" in condition["message"]
    assert world.condition("Ready")["reason"] == "ScorerUnavailable"
    assert world.status["scorer"]["readyReplicas"] == 1


def test_one_pod_of_three_may_be_away_without_an_alarm():
    """As many as a drain of nodes may take."""
    world = settled()
    assert world.deployment is not None
    world.deployment["status"].update(availableReplicas=2, readyReplicas=2)
    world.step()
    assert world.condition("Ready")["status"] == "True"
    assert kstatus(world) == "Current"


def test_scaled_to_zero_says_so():
    world = settled()
    world.change(scorer={"replicas": 0})
    world.settle()
    assert world.condition("Ready")["status"] == "False"
    assert "spec.scorer.replicas is 0" in world.condition("Ready")["message"]
    assert world.condition("Reconciling")["status"] == "False"


def test_without_pods_nobody_is_said_to_hold_a_new_version():
    world = settled(spec={**MINIMAL, "scorer": {"replicas": 0}})
    world.store = listing("v2", "v1")
    world.settle()
    healthy = world.condition("RolloutHealthy")
    assert (healthy["status"], healthy["reason"]) == ("False", "PodsNotReady")
    assert "there are no pods to prove it" in healthy["message"]
    world.change(scorer={"replicas": 1})
    world.settle()
    assert world.condition("RolloutHealthy")["reason"] == "Settled"
    assert world.serving() == "v2"


def test_a_missing_reference_stalls_names_its_path_and_leaves_what_runs():
    world = settled()
    before = world.deployment
    world.problems = dict(PODS)
    world.settle()
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "ReferenceMissing")
    assert "spec.model.source.s3.credentialsSecret" in stalled["message"]
    assert world.deployment == before
    assert kstatus(world) == "Failed"
    world.problems = {}
    world.settle()
    assert kstatus(world) == "Current"
    reasons = [(event.type, event.reason) for event in world.events]
    assert ("Warning", "ReferenceMissing") in reasons
    assert ("Normal", "NotStalled") in reasons


def test_a_model_is_rolled_back_though_a_reference_is_missing():
    world = settled()
    world.store = listing("v2", "v1")
    world.problems = dict(PODS)
    world.refused[manifest("v2").digest] = "DigestMismatch"
    world.settle()
    assert world.serving() == "v1"


def test_a_missing_reference_makes_no_pods():
    world = World(problems=dict(PODS))
    world.settle()
    assert world.deployment is None
    assert world.condition("Stalled")["status"] == "True"


def test_a_roll_out_that_gets_nowhere_stalls_with_the_reason():
    world = settled()
    world.change(scorer={"image": "registry.test/typo:1"})
    world.step()
    assert world.deployment is not None
    world.deployment["status"].update(
        observedGeneration=world.deployment["metadata"]["generation"],
        replicas=4,
        updatedReplicas=1,
        conditions=[
            {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": "timed out",
            }
        ],
    )
    world.step()
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "RolloutFailed")
    assert "timed out" in stalled["message"]
    assert world.condition("ScorerAvailable")["status"] == "True"


def test_pods_that_the_server_refuses_stall_with_the_field():
    world = settled()
    world.change(scorer={"priorityClassName": "nobody-has-it"})
    world.step()
    message = 'pods "a-" is forbidden: no PriorityClass with name nobody-has-it was found'
    assert world.deployment is not None
    failing = {"type": "ReplicaFailure", "status": "True", "message": message}
    world.deployment["status"]["conditions"] = [failing]
    world.step()
    assert world.condition("Stalled")["status"] == "False", "that may be of the pods of before"
    world.deployment["status"]["observedGeneration"] = world.deployment["metadata"]["generation"]
    world.step()
    assert world.condition("Stalled")["reason"] == "PodsRefused"
    assert world.condition("Stalled")["message"].startswith("spec.scorer.priorityClassName: pods")
    assert kstatus(world) == "Failed"


def test_an_object_that_belongs_to_somebody_else_stalls():
    world = settled()
    world.results = [result("Conflict", message="Service x belongs to Helm: rename it.")]
    world.step()
    assert world.condition("Stalled")["reason"] == "Conflict"
    assert "belongs to Helm" in world.condition("Stalled")["message"]


@pytest.mark.parametrize(
    ("reason", "stalled", "reconciling"), [("Forbidden", "True", "False"), ("", "False", "True")]
)
def test_an_apply_that_failed_is_told(reason, stalled, reconciling):
    world = settled()
    world.results = [result("Failed", reason, "no answer.")]
    world.step()
    assert world.condition("Stalled")["status"] == stalled
    assert world.condition("Reconciling")["status"] == reconciling
    both = world.condition("Stalled")["message"] + world.condition("Reconciling")["message"]
    assert "Service card-payments-scorer: no answer." in both


def test_contention_is_told_while_it_lasts():
    world = settled()
    world.results = [result("Contended", message="kubectl-edit keeps changing spec.ports")]
    world.step()
    assert world.condition("Contended")["status"] == "True"
    world.results = []
    world.step()
    assert world.condition("Contended") == {}


def test_every_condition_says_which_generation_it_saw():
    world = settled()
    world.change(capacity={"transactionsPerDay": "10M"})
    world.settle()
    assert {one["observedGeneration"] for one in world.status["conditions"]} == {2}


def test_the_selector_is_the_one_of_the_pods():
    world = settled()
    assert world.deployment is not None
    labels = world.deployment["spec"]["template"]["metadata"]["labels"]
    for pair in world.status["scorer"]["selector"].split(","):
        key, value = pair.split("=")
        assert labels[key] == value


def test_under_an_autoscaler_the_number_of_pods_is_the_deployments():
    world = settled()
    world.change(autoscaling={"minReplicas": 2})
    world.settle()
    assert world.status["scorer"]["replicas"] == 3
    assert world.deployment is not None
    world.deployment["spec"]["replicas"] = 9
    world.settle()
    assert world.status["scorer"]["replicas"] == 9
    assert "replicas" not in world.status["effective"]["scorer"]


def test_a_status_of_another_version_breaks_nothing():
    one = detector(status={"observedGeneration": 1, "conditions": [], "future": {"a": 1}})
    world = World(status=dict(one.status))
    world.settle()
    assert kstatus(world) == "Current"
    assert "future" not in world.status
