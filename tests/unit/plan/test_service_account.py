"""The scorer pods' ServiceAccount."""

import pytest

from fraud_operator.plan.service_account import service_account
from tests.support.worlds import FULL, MINIMAL, detector


@pytest.mark.parametrize(("case", "spec"), [("minimal", MINIMAL), ("full", FULL)])
def test_golden(golden, case, spec):
    golden(f"service-account-{case}", service_account(detector(spec)))
