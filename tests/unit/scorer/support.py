"""Small real models, published and loaded the way it is done in production."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
    Value,
)
from fraud_scorer.artifact.plan import planned
from fraud_scorer.engine import RowError
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.publishing import Published, publish_model
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.load import load
from fraud_scorer.registry.loaded import LoadedModel

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
THRESHOLDS = Thresholds(review="0.5", decline="0.9")

FEATURES = (
    Feature(name="amount", type="number", minimum=0),
    Feature(name="age", type="number", nullable=True),
    Feature(name="channel", type="category"),
    Feature(name="tier", type="category", categories=("gold", "iron")),
)
"""Every kind of feature: bounded, nullable, open category, closed category."""

NUMBERS = (Feature(name="a", type="number"), Feature(name="b", type="number"))
"""What `linear()` takes."""

GOLDEN: tuple[dict[str, Value], ...] = (
    {"amount": 9.5, "age": 3.0, "channel": "app", "tier": "gold"},
    {"amount": 950.0, "age": None, "channel": "web", "tier": "iron"},
)


@functools.cache
def classifier(seed: int = 0) -> Any:
    """A fitted pipeline over FEATURES; another seed is another model."""
    random = np.random.default_rng(seed)
    rows = np.empty((400, 4), dtype=object)
    rows[:, 0] = random.uniform(0, 1000, 400)
    rows[:, 1] = random.uniform(0, 10, 400)
    rows[::7, 1] = np.nan
    rows[:, 2] = random.choice(["app", "web"], 400)
    rows[:, 3] = random.choice(["gold", "iron"], 400)
    fraud = (rows[:, 0].astype(float) > 700).astype(int)
    prepare = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), [0, 1]),
            ("open", OneHotEncoder(handle_unknown="ignore"), [2]),
            ("closed", OneHotEncoder(), [3]),
        ]
    )
    forest = RandomForestClassifier(10, max_depth=4, random_state=0, n_jobs=-1)
    return make_pipeline(prepare, forest).fit(rows, fraud)


@functools.cache
def linear(numbers: int = 2) -> Any:
    """A fitted logistic regression over so many numbers."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(200, numbers))
    return LogisticRegression().fit(rows, rows.sum(axis=1) > 1)


def publish_to(folder: Path, version: str = "v1", **changes: Any) -> Published:
    """Publish `classifier()` below a folder."""
    given: dict[str, Any] = {
        "model": "card-payments",
        "version": version,
        "features": FEATURES,
        "golden": GOLDEN,
        "thresholds": THRESHOLDS,
        "created_at": CREATED,
    }
    estimator = changes.pop("estimator", None) or classifier()
    return publish_model(estimator, **({"to": str(folder)} | given | changes))


def loaded(folder: Path, version: str = "v1") -> LoadedModel:
    """The model that was published below a folder, loaded and proven."""
    store = DirectoryStore(folder)
    data, _ = store.read(f"{version}/manifest.json", limit=1 << 20) or (b"", "")
    wanted = planned(manifests.decode(data), sha256_hex(data))
    with tempfile.TemporaryDirectory() as workspace:
        return load(store, wanted, "0123456789", Path(workspace))


def manifest_of(features: Sequence[Feature], golden: Mapping[str, Value]) -> Manifest:
    """A manifest about a model file that does not exist."""
    return Manifest(
        schema_version=1,
        model="card-payments",
        version="v1",
        created_at=CREATED,
        framework=Framework(name="scikit-learn", version="1.9.1", python="3.13.1"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path="model.fdm", sha256="0" * 64, size=1, role="model"),),
        features=tuple(features),
        golden=(Golden(features=dict(golden), score=0.5),),
        thresholds=THRESHOLDS,
    )


class FakeModel:
    """A model whose arithmetic the test knows: the score is the row's first value, and each value
    contributes itself."""

    explains = True

    def __init__(self, features: Sequence[Feature] = FEATURES) -> None:
        self.names = [feature.name for feature in features]

    def score_one(self, row: Row) -> float:
        (value, *_) = row
        if not isinstance(value, float):
            raise RowError(self.names[0], "is not what this model likes")
        return value

    def explain(self, row: Row, top: int) -> tuple[tuple[str, float], ...]:
        named = zip(self.names, row, strict=True)
        numbers = [(name, value) for name, value in named if isinstance(value, float)]
        return tuple(sorted(numbers, key=lambda one: -abs(one[1])))[:top]


def fake_loaded(model: Any, manifest: Manifest, *, reasons: int = 4) -> LoadedModel:
    """A model of the test's own, as if it had been loaded."""
    return LoadedModel("0123456789", manifest, manifest.digest, 0.5, 0.9, reasons, model)


def transaction(
    features: Mapping[str, object] | None = None, **changes: object
) -> dict[str, object]:
    """A valid request about a transaction, changed where the test wants it."""
    return {
        "transaction_id": "t-1",
        "event_time": "2026-01-01T12:00:00Z",
        "entities": {"customer": "c-1", "terminal": "t-1"},
        "amount_minor": 950,
        "currency": "EUR",
        "features": GOLDEN[0] if features is None else features,
    } | changes


def given(pipeline: Pipeline, body: bytes) -> ScoreAnswer:
    """The answer that a pipeline gives at once."""
    document = pipeline.answer(pipeline.admit({}), body)
    assert isinstance(document, bytes)
    return pipeline.read(document)
