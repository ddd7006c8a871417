"""From a row to a score and to reasons, by a model whose arithmetic the test knows."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature, Value
from fraud_scorer.engine import RowError
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.pipeline.score import reasons, score
from fraud_scorer.problem import Problem
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry
from tests.unit.scorer.support import FakeModel, fake_loaded, given, manifest_of, transaction

FEATURES = (
    Feature(name="risk", type="number"),
    Feature(name="small", type="number"),
    Feature(name="large", type="number", reason="R07"),
)
ROW = (0.5, -0.25, -8.0)


def model(fake: Any = None, *, reasons: int = 4) -> LoadedModel:
    golden: dict[str, Value] = {"risk": 0.5, "small": 0.0, "large": 0.0}
    return fake_loaded(fake or FakeModel(FEATURES), manifest_of(FEATURES, golden), reasons=reasons)


def answer(loaded: LoadedModel, **features: float) -> ScoreAnswer:
    registry = ModelRegistry()
    registry.install(loaded)
    registry.activate(loaded.revision)
    pipeline = Pipeline(registry, Metrics(), patience=60)
    return given(pipeline, msgspec.json.encode(transaction(features)))


class Says(FakeModel):
    """A model with an answer of the test's choice."""

    def __init__(self, what: float | Exception) -> None:
        self.what = what

    def score_one(self, row: object) -> float:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@pytest.mark.parametrize("found", [float("nan"), float("inf"), 1.0001, -0.1, RowError(None, "no")])
def test_what_is_no_probability_is_no_answer(found: float | Exception) -> None:
    with pytest.raises(Problem) as caught:
        score(model(Says(found)), ROW)
    assert caught.value.status == 422
    assert caught.value.document.errors == ()


def test_a_feature_that_the_model_does_not_take_is_named() -> None:
    with pytest.raises(Problem) as caught:
        score(model(Says(RowError("large", "is too much"))), ROW)
    assert caught.value.document.detail == "#/features/large is too much"
    assert [error.pointer for error in caught.value.document.errors] == ["#/features/large"]


def test_reasons_have_codes_and_directions() -> None:
    found = reasons(model(), ROW)
    assert [(one.code, one.feature, one.direction, one.contribution) for one in found] == [
        ("R07", "large", "lowers", -8.0),
        ("risk", "risk", "raises", 0.5),
        ("small", "small", "lowers", -0.25),
    ]


def test_there_are_no_more_reasons_than_asked_for() -> None:
    assert [one.feature for one in reasons(model(reasons=2), ROW)] == ["large", "risk"]
    assert reasons(model(reasons=0), ROW) == ()


def test_a_model_without_reference_gives_none() -> None:
    class Silent(FakeModel):
        explains = False

        def explain(self, row: object, top: int) -> Any:
            raise ValueError("compiled without reference rows")

    assert answer(model(Silent(FEATURES)), risk=0.9, small=0.0, large=0.0).reasons == ()


@pytest.mark.parametrize(("risk", "given"), [(0.49, 0), (0.5, 3), (0.95, 3)])
def test_an_approval_has_no_reasons(risk: float, given: int) -> None:
    assert len(answer(model(), risk=risk, small=1.0, large=2.0).reasons) == given


def test_a_request_that_nobody_waits_for_is_not_scored() -> None:
    registry = ModelRegistry()
    loaded = model(Says(AssertionError("it was scored")))
    registry.install(loaded)
    registry.activate(loaded.revision)
    pipeline = Pipeline(registry, Metrics(), patience=60)
    context = pipeline.admit({})
    context.deadline = time.monotonic() - 1
    with pytest.raises(Problem) as caught:
        pipeline.answer(
            context, msgspec.json.encode(transaction({"risk": 1, "small": 1, "large": 1}))
        )
    assert caught.value.status == 503
    assert (b"retry-after", b"1") in caught.value.headers


class Remembers(FakeModel):
    """A model that knows which rows it was given."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def score_one(self, row: Row) -> float:
        self.rows.append(row)
        return 0.1


def test_kept_features_without_a_store_have_their_defaults_however_often() -> None:
    count = Window(entity="customer", aggregate="count", window="1d", bucket="1h", default=0.5)
    features = (Feature(name="x", type="number"), Feature(name="seen", type="number", source=count))
    fake = Remembers()
    loaded = fake_loaded(fake, manifest_of(features, {"x": 0.0, "seen": 0.0}))
    registry = ModelRegistry()
    registry.install(loaded)
    registry.activate(loaded.revision)
    pipeline = Pipeline(registry, Metrics(), patience=60)
    for _ in range(3):  # what was seen before may be read in another way
        answered = given(pipeline, msgspec.json.encode(transaction({"x": 1.0})))
        assert answered.degraded == ("features.defaults",)
    assert fake.rows == [(1.0, 0.5)] * 3
