"""The Deployment: its manifest, and with how many pods an autoscaler takes over."""

import pytest

from fraud_operator.plan.deployment import deployment, starting_replicas
from fraud_operator.plan.effective import effective
from fraud_operator.plan.image import scorer_image
from fraud_operator.plan.pod_template import pod_template
from tests.support.worlds import DEFAULTS, FULL, MINIMAL, detector


def made(spec):
    one = detector(spec)
    sizes = effective(one.spec)
    image = scorer_image(one, None, DEFAULTS)
    template = pod_template(one, sizes, image.name, DEFAULTS, None)
    return deployment(one, sizes, image, template)


@pytest.mark.parametrize(("case", "spec"), [("minimal", MINIMAL), ("full", FULL)])
def test_golden(golden, case, spec):
    golden(f"deployment-{case}", made(spec))


def test_replicas_are_left_to_the_autoscaler_where_there_is_one():
    assert "replicas" not in made({**MINIMAL, "autoscaling": {}})["spec"]


@pytest.mark.parametrize(("now", "then"), [(None, 4), (2, 4), (7, 7), (40, 12)])
def test_an_autoscaler_takes_over_what_there_is_within_its_bounds(now, then):
    sizes = effective(
        detector({**MINIMAL, "autoscaling": {"minReplicas": 4, "maxReplicas": 12}}).spec
    )
    observed = None if now is None else {"spec": {"replicas": now}}
    assert starting_replicas(sizes, observed) == then


def test_nobody_holds_a_fixed_number():
    assert starting_replicas(effective(detector().spec), None) is None
