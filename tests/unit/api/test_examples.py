"""Every FraudDetector in examples/ is one that the operator can act upon."""

from pathlib import Path

import pytest
import yaml

from fraud_operator.api.frauddetector import FraudDetector

EXAMPLES = Path(__file__).parents[3] / "examples"
DETECTORS = [
    pytest.param(obj, id=f"{path.relative_to(EXAMPLES)}:{obj['metadata']['name']}")
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    for obj in yaml.safe_load_all(path.read_text())
    if obj and obj["kind"] == "FraudDetector"
]


def test_there_are_examples():
    assert DETECTORS


@pytest.mark.parametrize("obj", DETECTORS)
def test_it_can_be_read(obj):
    FraudDetector.parse(obj)
