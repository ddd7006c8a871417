"""The pod template: restricted, sized, and computed anew only when its recorded inputs change."""

import json

import pytest

from fraud_operator.plan import pod_template as module
from fraud_operator.plan.effective import effective
from fraud_operator.plan.pod_template import TEMPLATE_ANNOTATION, pod_template
from fraud_operator.plan.types import OperatorDefaults
from tests.support.worlds import DEFAULTS, FULL, MINIMAL, World, detector, listing


def template(spec=MINIMAL, **given):
    one = detector(spec)
    return pod_template(one, effective(one.spec), "image", DEFAULTS, None, **given).body


@pytest.fixture
def newer_code(monkeypatch):
    """From now on the operator's code adds a variable to every pod."""

    def take_over():
        render = module._rendered

        def rendered(*args):
            body = render(*args)
            body["spec"]["containers"][0].setdefault("env", []).append(
                {"name": "NEW", "value": "1"}
            )
            return body

        monkeypatch.setattr(module, "_rendered", rendered)

    return take_over


def variables(world: World) -> list[dict[str, str]]:
    assert world.deployment is not None
    return world.deployment["spec"]["template"]["spec"]["containers"][0].get("env", [])


@pytest.mark.parametrize("spec", [MINIMAL, FULL])
def test_pods_are_restricted(spec):
    pod = template(spec)["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert pod["automountServiceAccountToken"] is False


def test_cpu_has_no_limit_unless_one_is_set():
    assert "cpu" not in template()["spec"]["containers"][0]["resources"]["limits"]
    assert template(FULL)["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "2"


def test_an_empty_list_of_spreads_means_none():
    pod = template({**MINIMAL, "scorer": {"topologySpread": []}})["spec"]
    assert "topologySpreadConstraints" not in pod
    assert "affinity" not in pod


def test_a_new_identity_takes_new_pods():
    """A cloud's webhook gives a pod its credentials when it is created, and never again."""

    def annotations(value):
        role = {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": value}}
        return template({**MINIMAL, "scorer": role})["metadata"]["annotations"]

    assert annotations("one") != annotations("two")


def test_another_model_restarts_no_pod():
    world = World()
    world.settle()
    world.store = listing("v2", "v1")
    world.settle()
    assert world.serving() == "v2"
    assert world.pods_made == 1
    assert "v2" not in json.dumps(world.deployment)


def test_a_newer_operator_leaves_pods_alone(newer_code):
    world = World()
    world.settle()
    newer_code()
    world.defaults = OperatorDefaults("registry.test/scorer:2", image_pull_policy="Always")
    world.settle()
    assert world.pods_made == 1
    assert variables(world) == []


@pytest.mark.parametrize(
    "change",
    [
        {"scorer": {"resources": {"requests": {"cpu": "700m"}}}},
        {"scorer": {"image": "registry.test/scorer:2"}},
        {"capacity": {"transactionsPerDay": "10M"}},
    ],
)
def test_a_change_of_the_inputs_takes_the_newer_template(newer_code, change):
    world = World()
    world.settle()
    newer_code()
    world.change(**change)
    world.settle()
    assert variables(world) == [{"name": "NEW", "value": "1"}]
    assert world.pods_made == 2


@pytest.mark.parametrize("change", [{"replicas": 5}, {"maxUnavailable": 1}])
def test_what_pods_are_not_made_of_is_not_an_input(newer_code, change):
    world = World()
    world.settle()
    newer_code()
    world.change(scorer=change)
    world.settle()
    assert world.pods_made == 1


def test_a_record_that_was_edited_by_hand_is_not_believed():
    world = World()
    world.settle()
    assert world.deployment is not None
    annotations = world.deployment["metadata"]["annotations"]
    annotations[TEMPLATE_ANNOTATION] = annotations[TEMPLATE_ANNOTATION].replace("scorer:1", "evil")
    world.settle()
    assert world.deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(
        "scorer:1"
    )
    assert "evil" not in json.dumps(world.deployment)


def test_held_pods_stay_as_they_are_whatever_the_spec_says():
    world = World()
    world.settle()
    world.change(scorer={"extraEnv": [{"name": "A", "value": "1"}]})
    world.problems = {"spec.model.source.s3.credentialsSecret": "is missing"}
    world.settle()
    assert world.pods_made == 1
    world.problems = {}
    world.settle()
    assert world.pods_made == 2


@pytest.mark.parametrize(
    ("grace", "drain", "shutdown"), [(None, 5, 20), (5, 1, 3), (45, 5, 35), (600, 5, 590)]
)
def test_a_pod_ends_within_its_grace_period(grace, drain, shutdown):
    spec = {} if grace is None else {"scorer": {"terminationGracePeriodSeconds": grace}}
    pod = template({**MINIMAL, **spec})["spec"]
    arguments = pod["containers"][0]["args"]
    assert {f"--drain={drain}", f"--shutdown={shutdown}"} <= set(arguments)
    assert drain + shutdown < pod["terminationGracePeriodSeconds"]
