"""A real API server takes the CRD as it is, with every rule, and explains every field."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
CRD = yaml.safe_load((ROOT / "crds/frauddetectors.fraudops.io.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_it_is_established_and_structural(control_plane: Cluster, crds: Cluster) -> None:
    found = json.loads(
        control_plane.kubectl("get", "crd", "frauddetectors.fraudops.io", "-o", "json")
    )
    conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_nothing_of_it_was_dropped(control_plane: Cluster, crds: Cluster) -> None:
    """A server drops what it does not know: then a rule would silently not hold."""
    found = json.loads(
        control_plane.kubectl("get", "crd", "frauddetectors.fraudops.io", "-o", "json")
    )
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == SCHEMA


@pytest.mark.parametrize(
    "path",
    ["spec", "spec.model", "spec.model.source.s3", "spec.scorer.extraEnv", "status.conditions"],
)
def test_explain_describes_every_field(control_plane: Cluster, crds: Cluster, path: str) -> None:
    schema = SCHEMA
    for step in path.split("."):
        schema = schema["properties"][step]
    said = " ".join(control_plane.kubectl("explain", f"frauddetector.{path}").split())
    assert schema["description"] in said
    fields = schema.get("items", schema)["properties"]
    for name, field in fields.items():
        assert name in said
        assert " ".join(field["description"].split()) in said


def test_it_has_a_short_name_and_a_category(
    control_plane: Cluster, crds: Cluster, namespace: str
) -> None:
    for name in ("fd", "fraudops"):
        assert "No resources found" in control_plane.kubectl(
            "-n", namespace, "get", name, check=False
        )
