"""The ConfigMap of the model plan: what it holds, and that edits by hand are not believed."""

import json

import pytest

from fraud_operator.plan.model_plan import Memory, memory, model_plan
from fraud_scorer.artifact import plan as model_plans
from tests.support.worlds import World, detector, listing

KEY = ("ConfigMap", "card-payments-model-plan")


@pytest.fixture
def world() -> World:
    made = World()
    made.settle()
    return made


def test_golden(golden, world):
    made = dict(world.children[KEY])
    made["metadata"].pop("generation")
    golden("model-plan-minimal", made)


def test_pods_read_what_serves_and_what_there_is_to_go_back_to(world):
    world.store = listing("v2", "v1")
    world.settle()
    plan = model_plans.decode(world.children[KEY]["data"]["plan.json"])
    assert [one.version for one in plan.models] == ["v2", "v1"]


def test_it_reads_back_what_it_wrote(world):
    known = memory(detector(), world.children)
    assert known.record is not None
    again = model_plan(detector(), known.plan, known.record)
    assert again["data"] == world.children[KEY]["data"]


@pytest.mark.parametrize("key", ["plan.json", "record.json"])
def test_what_was_edited_by_hand_is_not_believed_and_comes_back(world, key):
    world.store = listing("v2", "v1")
    world.settle()
    data = world.children[KEY]["data"]
    before = json.loads(data["plan.json"])
    data[key] = data[key].replace('"v2"', '"evil"')[:-1]
    known = memory(detector(), world.children)
    assert (known.plan if key == "plan.json" else known.record) is None
    world.settle()
    after = json.loads(world.children[KEY]["data"]["plan.json"])
    assert after["active"] == before["active"]
    assert after["serial"] >= before["serial"]
    assert world.pods_made == 1


def test_a_plan_of_another_detector_is_not_believed(world):
    other = {("ConfigMap", "other-model-plan"): world.children[KEY]}
    assert memory(detector(name="other"), other).plan is None


def test_there_is_nothing_to_remember_at_first():
    assert memory(detector(), {}) == Memory()
