"""The PodDisruptionBudget."""

import pytest

from fraud_operator.plan.effective import effective
from fraud_operator.plan.pdb import pod_disruption_budget
from tests.support.worlds import FULL, MINIMAL, detector


@pytest.mark.parametrize(("case", "spec"), [("minimal", MINIMAL), ("full", FULL)])
def test_golden(golden, case, spec):
    one = detector(spec)
    golden(f"pdb-{case}", pod_disruption_budget(one, effective(one.spec)))
