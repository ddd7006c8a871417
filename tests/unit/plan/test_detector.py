"""The plan as a whole: which children there are, in which order, and what is kept."""

from fraud_operator.plan.detector import plan
from tests.support.worlds import FULL, MINIMAL, World, detector, inputs

NAME = "card-payments-scorer"
BEFORE_PODS = {
    ("ServiceAccount", NAME),
    ("ConfigMap", "card-payments-model-plan"),
    ("Secret", "card-payments-management"),
    ("Service", NAME),
    ("Service", "card-payments-siblings"),
    ("PodDisruptionBudget", NAME),
}
ALWAYS = BEFORE_PODS | {("Deployment", NAME)}


def keys(made):
    return {(one.manifest["kind"], one.manifest["metadata"]["name"]) for one in made.objects}


def proven(spec):
    """The plan of the moment in which the first version was found to be good."""
    world = World(spec=dict(spec))
    world.step()
    return plan(world.inputs())


def test_a_version_is_verified_before_there_are_pods():
    made = plan(inputs(MINIMAL))
    (job,) = keys(made) - BEFORE_PODS
    assert job[0] == "Job"
    assert job in made.lasting
    assert made.release.verify.version == "v1"


def test_the_children_of_a_detector():
    assert keys(proven(MINIMAL)) == ALWAYS | {("ControllerRevision", "card-payments-1")}
    autoscaled = {("HorizontalPodAutoscaler", NAME), ("ControllerRevision", "card-payments-1")}
    assert keys(proven(FULL)) == ALWAYS | autoscaled


def test_with_a_declared_answer_pods_do_not_wait_for_a_model():
    spec = {**MINIMAL, "scoring": {"whenUnavailable": "Review"}}
    made = plan(inputs(spec))
    assert ("Deployment", NAME) in keys(made)
    assert made.release.plan.when_unavailable == "review"


def test_pods_come_after_what_they_refer_to_and_an_autoscaler_after_them():
    phases = {one.manifest["kind"]: one.phase for one in proven(FULL).objects}
    assert phases["Deployment"] > max(phases["ServiceAccount"], phases["ConfigMap"])
    assert phases["HorizontalPodAutoscaler"] > phases["Deployment"]


def test_what_pods_refer_to_holds_them_up_and_nothing_else_does():
    components: dict[str, set[str]] = {}
    for one in proven(FULL).objects:
        components.setdefault(one.component, set()).add(one.manifest["kind"])
    assert components["scorer"] == {"ServiceAccount", "ConfigMap", "Secret", "Deployment"}
    others = {"service", "siblings", "disruption", "history", "autoscaler"}
    assert set(components) == {"scorer"} | others


def test_every_child_belongs_to_the_detector_and_can_be_found():
    one = detector(FULL)
    for desired in proven(FULL).objects:
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
