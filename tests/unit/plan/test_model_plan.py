"""The ConfigMap of model plans: what it holds, and that what was edited by hand is not believed."""

from fraud_operator.plan.model_plan import model_plan, recorded_plans
from fraud_scorer.artifact import plan as model_plans
from tests.support.worlds import World, detector, listing


def key(world: World) -> tuple[str, str]:
    return ("ConfigMap", "card-payments-model-plan")


def versions(world: World) -> list[str]:
    data = world.children[key(world)]["data"].values()
    return sorted(model_plans.decode(text).active.version for text in data)


def test_golden(golden):
    world = World()
    world.settle()
    made = dict(world.children[key(world)])
    made["metadata"].pop("generation")
    golden("model-plan-minimal", made)


def test_it_holds_what_serves_and_what_there_is_to_go_back_to():
    world = World()
    for newest in (("v1",), ("v2", "v1"), ("v3", "v2", "v1")):
        world.store = listing(*newest)
        world.settle()
    assert versions(world) == ["v2", "v3"]


def test_it_holds_what_pods_of_an_older_roll_out_read():
    world = World()
    world.settle()
    world.store = listing("v2", "v1")
    world.step()
    assert versions(world) == ["v1", "v2"]


def test_it_reads_back_what_it_wrote():
    world = World()
    world.settle()
    plans = recorded_plans(detector(), world.children)
    again = model_plan(detector(), plans.values())
    assert again["data"] == world.children[key(world)]["data"]


def test_a_plan_edited_by_hand_is_not_believed_and_comes_back():
    world = World()
    world.settle()
    before = dict(world.children[key(world)]["data"])
    data = world.children[key(world)]["data"]
    for name in data:
        data[name] = data[name].replace("fraud-models", "other-models")
    assert recorded_plans(detector(), world.children) == {}
    world.settle()
    assert world.children[key(world)]["data"] == before
    assert world.pods_made == 1
