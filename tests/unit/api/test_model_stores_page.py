"""Every spec in docs/model-stores.md is one that the operator takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraud_operator.api.frauddetector import FraudDetector

PAGE = Path(__file__).parents[3] / "docs/model-stores.md"
SPECS = [
    yaml.safe_load(text)
    for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
]


def test_every_kind_of_store_is_shown() -> None:
    shown = {kind for spec in SPECS for kind in spec["model"]["source"]}
    assert {"s3", "gcs"} <= shown


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_shown_is_taken(spec: dict[str, Any]) -> None:
    FraudDetector.parse(
        {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": "card-payments", "namespace": "fraud-detection"},
            "spec": spec,
        }
    )
