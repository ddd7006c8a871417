"""Every manifest in examples/: whole, and understood by the operator without a rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraud_operator.api.frauddetector import API_VERSION, KIND, FraudDetector

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))


def objects(path: Path) -> Iterator[dict[str, Any]]:
    yield from filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8")))


DETECTORS = [
    pytest.param(one, id=f"{path.relative_to(EXAMPLES)}-{one['metadata']['name']}")
    for path in FILES
    for one in objects(path)
    if one["kind"] == KIND
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_begins_with_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert list(objects(path))


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_detector_is_understood(detector: dict[str, Any]) -> None:
    assert detector["apiVersion"] == API_VERSION
    FraudDetector.parse(detector)


def test_the_demo_is_of_one_piece() -> None:
    """Detector, bucket and Secret name each other, and all live in the demo's namespace."""
    demo = {
        (one["kind"], one["metadata"]["name"]): one
        for path in (EXAMPLES / "demo").glob("*.yaml")
        for one in objects(path)
    }
    (namespace,) = (name for kind, name in demo if kind == "Namespace")
    others = [one for (kind, _), one in demo.items() if kind != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {namespace}
    s3 = FraudDetector.parse(demo[KIND, "card-payments"]).spec.model.source.s3
    assert s3 is not None
    port = demo["Service", "bucket"]["spec"]["ports"][0]["port"]
    assert s3.endpoint == f"http://bucket.{namespace}.svc:{port}"
    assert demo["Secret", str(s3.credentials_secret)]["stringData"].keys() == {
        "accessKeyID",
        "secretAccessKey",
    }
