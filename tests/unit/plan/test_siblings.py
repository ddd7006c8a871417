"""The headless Service by which pods find one another, and the Secret that lets them in."""

from typing import Any

from fraud_operator.plan.management_token import TOKEN_KEY, management_token
from fraud_operator.plan.siblings import siblings
from tests.support.worlds import MINIMAL, detector


def test_golden(golden: Any) -> None:
    golden("siblings-minimal", siblings(detector(MINIMAL)))
    golden("management-minimal", management_token(detector(MINIMAL)))


def test_pods_that_are_not_ready_are_found_too() -> None:
    made = siblings(detector())["spec"]
    assert made["clusterIP"] == "None"
    assert made["publishNotReadyAddresses"] is True


def test_the_token_is_in_no_manifest() -> None:
    made = management_token(detector())
    assert TOKEN_KEY not in str({key: value for key, value in made.items() if key != "metadata"})
    assert "data" not in made
    assert "stringData" not in made
