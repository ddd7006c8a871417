"""Which image pods run: pinned at first sight, taken by an explicit field, and told about."""

from fraud_operator.plan.types import OperatorDefaults
from tests.support.worlds import World

NEWER = OperatorDefaults("registry.test/scorer:2")


def image(world: World) -> str:
    assert world.deployment is not None
    return world.deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def settled() -> World:
    world = World()
    world.settle()
    return world


def test_a_newer_default_is_told_and_not_taken():
    world = settled()
    assert world.condition("UpgradeAvailable")["status"] == "False"
    world.defaults = NEWER
    world.settle()
    assert image(world) == "registry.test/scorer:1"
    assert world.status["effective"]["scorer"]["image"] == "registry.test/scorer:1"
    condition = world.condition("UpgradeAvailable")
    assert (condition["status"], condition["reason"]) == ("True", "NewerImage")
    assert "set spec.scorer.image to registry.test/scorer:2" in condition["message"]


def test_an_explicit_image_takes_it():
    world = settled()
    world.defaults = NEWER
    world.change(scorer={"image": "registry.test/scorer:2"})
    world.settle()
    assert image(world) == "registry.test/scorer:2"
    assert world.condition("UpgradeAvailable")["status"] == "False"


def test_an_image_taken_out_of_the_spec_gives_way_to_todays_default():
    world = World()
    world.change(scorer={"image": "registry.test/own:7"})
    world.settle()
    world.defaults = NEWER
    world.change(scorer={})
    world.settle()
    assert image(world) == "registry.test/scorer:2"


def test_a_deployment_that_was_deleted_comes_back_with_the_same_image():
    world = settled()
    world.defaults = NEWER
    del world.children["Deployment", "card-payments-scorer"]
    world.settle()
    assert image(world) == "registry.test/scorer:1"


def test_a_status_that_was_lost_does_not_unpin():
    world = settled()
    world.defaults = NEWER
    world.status = {"observedGeneration": -1}
    world.settle()
    assert image(world) == "registry.test/scorer:1"
