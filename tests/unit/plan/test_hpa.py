"""The HorizontalPodAutoscaler."""

import pytest

from fraud_operator.plan.effective import effective
from fraud_operator.plan.hpa import horizontal_pod_autoscaler
from tests.support.worlds import FULL, MINIMAL, detector


@pytest.mark.parametrize(
    ("case", "spec"), [("defaults", {**MINIMAL, "autoscaling": {}}), ("full", FULL)]
)
def test_golden(golden, case, spec):
    one = detector(spec)
    scaling = effective(one.spec).autoscaling
    assert scaling is not None
    golden(f"hpa-{case}", horizontal_pod_autoscaler(one, scaling))
