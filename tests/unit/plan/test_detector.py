"""The plan as a whole: which children there are, in which order, and what is kept."""

from fraud_operator.plan.detector import plan
from tests.support.worlds import FULL, MINIMAL, World, detector, inputs

NAME = "card-payments-scorer"
ALWAYS = {
    ("ServiceAccount", NAME),
    ("ConfigMap", "card-payments-model-plan"),
    ("Service", NAME),
    ("Deployment", NAME),
    ("PodDisruptionBudget", NAME),
}


def keys(made):
    return {(one.manifest["kind"], one.manifest["metadata"]["name"]) for one in made.objects}


def test_the_children_of_a_detector():
    assert keys(plan(inputs(MINIMAL))) == ALWAYS
    assert keys(plan(inputs(FULL))) == ALWAYS | {("HorizontalPodAutoscaler", NAME)}


def test_pods_come_after_what_they_refer_to_and_an_autoscaler_after_them():
    phases = {one.manifest["kind"]: one.phase for one in plan(inputs(FULL)).objects}
    assert phases["Deployment"] > max(phases["ServiceAccount"], phases["ConfigMap"])
    assert phases["HorizontalPodAutoscaler"] > phases["Deployment"]


def test_what_pods_refer_to_holds_them_up_and_nothing_else_does():
    components: dict[str, set[str]] = {}
    for one in plan(inputs(FULL)).objects:
        components.setdefault(one.component, set()).add(one.manifest["kind"])
    assert components["scorer"] == {"ServiceAccount", "ConfigMap", "Deployment"}
    assert set(components) == {"scorer", "service", "disruption", "autoscaler"}


def test_every_child_belongs_to_the_detector_and_can_be_found():
    one = detector(FULL)
    for desired in plan(inputs(FULL)).objects:
        metadata = desired.manifest["metadata"]
        assert metadata["namespace"] == one.namespace
        assert metadata["labels"]["fraudops.io/detector"] == one.name
        assert metadata["labels"]["app.kubernetes.io/instance"] == one.name
        (owner,) = metadata["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (one.uid, True)
        # Otherwise the operator would need a right to the finalizers of FraudDetectors.
        assert "blockOwnerDeletion" not in owner


def test_an_autoscaler_comes_and_goes_with_its_field():
    world = World()
    world.change(autoscaling={"minReplicas": 2})
    world.settle()
    assert ("HorizontalPodAutoscaler", NAME) in world.children
    world.change(autoscaling=None)
    world.settle()
    assert ("HorizontalPodAutoscaler", NAME) not in world.children
    assert world.deployment is not None
    assert world.deployment["spec"]["replicas"] == 3


def test_an_autoscaler_starts_from_the_pods_there_are():
    world = World()
    world.settle()
    world.change(autoscaling={"minReplicas": 2})
    (made,) = [one for one in plan(world.inputs()).objects if one.hold_replicas is not None]
    assert made.hold_replicas == 3
    assert "replicas" not in made.manifest["spec"]
