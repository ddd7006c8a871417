"""Several revisions in one process, and no moment without one that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.registry.registry import ModelRegistry
from tests.unit.scorer.support import GOLDEN, classifier, given, loaded, publish_to, transaction

BODY = msgspec.json.encode(transaction(GOLDEN[0]))


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    """Two versions of different models, both proven, the first one active."""
    made = ModelRegistry()
    for number in (1, 2):
        version = f"v{number}"
        forest = classifier() if number == 1 else classifier(seed=2)
        publish_to(tmp_path, version, estimator=forest)
        made.install(replace(loaded(tmp_path, version), revision=version))
    made.activate("v1")
    return made


def test_what_is_activated_answers_and_the_other_is_still_there(registry: ModelRegistry) -> None:
    pipeline = Pipeline(registry, Metrics(), patience=60)
    scores = {}
    for revision in ("v1", "v2", "v1", "v2"):
        registry.activate(revision)
        answer = given(pipeline, BODY)
        held = registry.held[revision]
        assert (answer.model.version, answer.model.digest) == (revision, held.digest)
        assert answer.score == held.manifest.golden[0].score
        scores[revision] = answer.score
    assert scores["v1"] != scores["v2"]


def test_a_revision_that_is_not_held_changes_nothing(registry: ModelRegistry) -> None:
    with pytest.raises(KeyError):
        registry.activate("v3")
    assert registry.roles.active is registry.held["v1"]


def test_what_answers_cannot_be_dropped(registry: ModelRegistry) -> None:
    with pytest.raises(ValueError, match="let another one first"):
        registry.drop("v1")
    registry.activate("v2")
    registry.drop("v1")
    assert registry.held.keys() == {"v2"}
    assert registry.roles.active is registry.held["v2"]
