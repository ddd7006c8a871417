"""Detectors that are left alone: suspended ones, and those whose spec cannot be read."""

import copy

import pytest

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from fraud_operator.plan.detector import plan, plan_invalid
from tests.support.worlds import MINIMAL, NOW, World, listing


def settled() -> World:
    world = World()
    world.settle()
    return world


def test_a_suspended_detector_keeps_everything_and_says_so():
    world = settled()
    before = copy.deepcopy(world.children)
    world.change(suspend=True, scorer={"replicas": 9})
    world.store = listing("v2", "v1")
    made = world.step()
    assert made.objects == ()
    assert world.children == before
    assert world.condition("Suspended")["status"] == "True"
    assert world.condition("Reconciling")["status"] == "False"
    assert world.status["observedGeneration"] == 2
    assert world.status["model"]["activeVersion"] == "v1"
    assert world.events[-1].reason == "Suspended"


def test_it_goes_on_where_it_stopped():
    world = settled()
    world.change(suspend=True)
    world.settle()
    world.change(suspend=False, scorer={"replicas": 2})
    world.settle()
    assert world.condition("Suspended") == {}
    assert world.condition("Ready")["status"] == "True"
    assert world.deployment is not None
    assert world.deployment["spec"]["replicas"] == 2


def test_suspended_from_its_first_day():
    world = World()
    world.change(suspend=True)
    world.settle()
    assert world.children == {}
    assert world.condition("Suspended")["status"] == "True"


def test_nothing_moves_while_it_is_suspended():
    world = settled()
    world.change(suspend=True)
    world.settle()
    writes = world.status_writes
    world.settle()
    assert world.status_writes == writes


def test_a_spec_that_cannot_be_read_stalls_with_the_field():
    obj = {
        "metadata": {"name": "a", "namespace": "b", "generation": 3},
        "spec": {**MINIMAL, "scorer": {"replicas": 3, "novelty": 1}},
        "status": {"observedGeneration": 2, "scorer": {"replicas": 3}},
    }
    with pytest.raises(InvalidSpec) as error:
        FraudDetector.parse(obj)
    made = plan_invalid(obj, error.value, NOW)
    assert made.objects == ()
    assert made.status["observedGeneration"] == 3
    assert made.status["scorer"] == {"replicas": 3}
    by_type = {one["type"]: one for one in made.status["conditions"]}
    assert by_type["Stalled"]["status"] == "True"
    assert "spec.scorer.novelty" in by_type["Stalled"]["message"]
    assert by_type["Ready"]["status"] == "False"
    assert {event.reason for event in made.events} == {"InvalidSpec"}


def test_the_same_inputs_give_the_same_plan():
    world = settled()
    assert plan(world.inputs()) == plan(world.inputs())
