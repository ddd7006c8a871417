"""Each rule of the CRD, asked of a real API server: what it accepts, and how it says no."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.rules import CASES, CHANGES, MINIMAL, Case, Change, merged

GOOD_NAMES = ("a", "card-payments-2", "a" * 40)
BAD_NAMES = ("1a", "a.b", "a" * 41)
BAD_FIELDS: Mapping[str, tuple[dict[str, Any], str]] = {
    "count-float": ({"capacity": {"transactionsPerDay": 0.5}}, "spec.capacity.transactionsPerDay"),
    "count-text": ({"capacity": {"transactionsPerDay": "many"}}, "capacity.transactionsPerDay"),
    "count-zero": ({"capacity": {"transactionsPerDay": 0}}, "spec.capacity.transactionsPerDay"),
    "threshold-float": (
        {"scoring": {"thresholds": {"review": 0.5, "decline": "0.9"}}},
        "spec.scoring.thresholds.review",
    ),
    "threshold-alone": (
        {"scoring": {"thresholds": {"review": "0.5"}}},
        "spec.scoring.thresholds.decline",
    ),
    "reasons-many": ({"scoring": {"reasons": 5}}, "spec.scoring.reasons"),
    "reasons-text": ({"scoring": {"reasons": "4"}}, "spec.scoring.reasons"),
    "replicas-negative": ({"scorer": {"replicas": -1}}, "spec.scorer.replicas"),
    "replicas-many": ({"scorer": {"replicas": 1001}}, "spec.scorer.replicas"),
    "none-away": ({"scorer": {"maxUnavailable": "0%"}}, "spec.scorer.maxUnavailable"),
    "cpu-float": (
        {"scorer": {"resources": {"requests": {"cpu": 0.5}}}},
        "spec.scorer.resources.requests.cpu",
    ),
    "memory-in-ki": (
        {"scorer": {"resources": {"requests": {"memory": "1Ki"}}}},
        "spec.scorer.resources.requests.memory",
    ),
    "long-list": (
        {"scorer": {"tolerations": [{"operator": "Exists"}] * 17}},
        "spec.scorer.tolerations",
    ),
    "same-twice": ({"scorer": {"extraEnv": [{"name": "A", "value": "1"}] * 2}}, "Duplicate value"),
    "version-path": ({"model": {"version": "../v1"}}, "spec.model.version"),
    "endpoint-host": (
        {"model": {"source": {"s3": {"endpoint": "minio:9000"}}}},
        "spec.model.source.s3.endpoint",
    ),
    "endpoint-password": (
        {"model": {"source": {"s3": {"endpoint": "https://user:secret@minio:9000"}}}},
        "spec.model.source.s3.endpoint",
    ),
}


def ask(cluster: Cluster, specs: Mapping[str, Any]) -> str:
    """What kubectl says when it creates all of these, none of them for good."""
    objects = [
        {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
        }
        for name, spec in specs.items()
    ]
    stream = "\n---\n".join(json.dumps(obj) for obj in objects)
    return cluster.kubectl("create", "-f", "-", "--dry-run=server", input=stream, check=False)


@pytest.fixture(scope="module")
def accepted(crds: Cluster) -> str:
    """One call for all that is to be accepted."""
    specs = {case.name: merged(case.accepted) for case in CASES}
    return ask(crds, specs | dict.fromkeys(GOOD_NAMES, MINIMAL))


@pytest.fixture(scope="module")
def refused(crds: Cluster) -> dict[str, str]:
    """One call for all that is to be refused: the complaints by the object's name."""
    specs = {case.name: merged(case.refused) for case in CASES}
    specs |= {name: merged(spec) for name, (spec, _) in BAD_FIELDS.items()}
    said = ask(crds, specs | dict.fromkeys(BAD_NAMES, MINIMAL))
    complaints = re.split(r'FraudDetector\S* "([^"]+)" is invalid: ', said)
    return dict(zip(complaints[1::2], complaints[2::2], strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule(accepted: str, refused: dict[str, str], case: Case) -> None:
    assert f"/{case.name} created (server dry run)" in accepted
    assert case.message in refused[case.name]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_that_children_can_have(accepted: str, name: str) -> None:
    assert f"/{name} created (server dry run)" in accepted


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_they_cannot(refused: dict[str, str], name: str) -> None:
    assert "metadata.name must have at most 40 characters: lower-case letters" in refused[name]


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_what_no_field_can_be_is_refused_with_its_path(refused: dict[str, str], name: str) -> None:
    assert BAD_FIELDS[name][1] in refused[name]


def test_a_field_that_nobody_knows_is_refused(crds: Cluster) -> None:
    """kubectl asks for strict validation by default."""
    said = ask(crds, {"a": merged({"scorer": {"novelty": 1}})})
    assert 'unknown field "spec.scorer.novelty"' in said


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_rule_on_a_change(crds: Cluster, change: Change) -> None:
    def asked(verb: str, spec: Mapping[str, Any], *how: str) -> str:
        manifest = {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": change.name, "namespace": "default"},
            "spec": merged(spec),
        }
        text = json.dumps(manifest)
        return crds.kubectl(verb, "--filename=-", *how, input=text, check=False)

    assert "created" in asked("create", change.before)
    try:
        assert "replaced" in asked("replace", change.accepted, "--dry-run=server")
        assert change.message in asked("replace", change.refused)
    finally:
        crds.kubectl("delete", "frauddetector", change.name, "--wait=false")
