"""A bucket with versions, and a place for pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud_scorer.artifact.plan import PlannedModel
from tests.unit.following.support import Bucket, Namespace


@pytest.fixture(scope="session")
def published() -> Iterator[tuple[Bucket, PlannedModel, PlannedModel, PlannedModel]]:
    """A bucket that nobody changes, and three versions of different models in it."""
    bucket = Bucket("shared")
    bucket.start()
    yield bucket, *(bucket.publish(f"v{seed}", seed=seed) for seed in (1, 2, 3))
    bucket.stop()


@pytest.fixture
def bucket(published: tuple[Bucket, PlannedModel, PlannedModel, PlannedModel]) -> Bucket:
    return published[0]


@pytest.fixture
def v1(published: tuple[Bucket, PlannedModel, PlannedModel, PlannedModel]) -> PlannedModel:
    return published[1]


@pytest.fixture
def v2(published: tuple[Bucket, PlannedModel, PlannedModel, PlannedModel]) -> PlannedModel:
    return published[2]


@pytest.fixture
def v3(published: tuple[Bucket, PlannedModel, PlannedModel, PlannedModel]) -> PlannedModel:
    return published[3]


@pytest.fixture
def own_bucket(tmp_path: Path) -> Iterator[Bucket]:
    """A bucket for one test, whose server it may stop."""
    made = Bucket(tmp_path.name)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def namespace(tmp_path: Path) -> Namespace:
    return Namespace(tmp_path)
