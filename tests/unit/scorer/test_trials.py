"""A candidate, a shadow, a stand-in, and no model at all: who answers, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.counters import SharedCounters
from fraud_scorer.engine import RowError
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.problem import Problem
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry, Roles
from fraud_scorer.registry.share import Share
from fraud_scorer.tally import counts
from tests.unit.scorer.support import FakeModel, given, manifest_of, transaction

FEATURES = (Feature(name="risk", type="number"),)
IDS = [f"t-{n}" for n in range(1000)]


class Says(FakeModel):
    """A model with an answer of the test's choice."""

    def __init__(self, what: float | Exception) -> None:
        super().__init__(FEATURES)
        self.what = what

    def score_one(self, row: object) -> float:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


def model(
    version: str, what: float | Exception, features: tuple[Feature, ...] = FEATURES
) -> LoadedModel:
    golden = {one.name: 0.5 for one in features}
    manifest = msgspec.structs.replace(manifest_of(features, golden), version=version)
    return LoadedModel(f"r-{version}", manifest, manifest.digest, 0.5, 0.9, 4, Says(what))  # type: ignore[arg-type]


class Scorer:
    """A pipeline, whose event loop turns when the test says so."""

    def __init__(self, roles: Roles) -> None:
        self.counters = SharedCounters(1)
        self.registry = ModelRegistry()
        self.later: list[Callable[[], None]] = []
        self.pipeline = Pipeline(
            self.registry, Metrics(self.counters.slots[0]), patience=60, later=self.later.append
        )
        self.registry.assign(roles)

    def answer(self, transaction_id: str = "t-1", **features: object) -> ScoreAnswer:
        body = transaction(features or {"risk": 0.5}, transaction_id=transaction_id)
        return given(self.pipeline, msgspec.json.encode(body))

    def turn(self) -> None:
        while self.later:
            self.later.pop(0)()

    def counted(self, version: str) -> tuple[int, int, int]:
        found = counts(self.counters.slots)[f"r-{version}"]
        return found.requests, found.errors, found.invalid


def on_trial(candidate: LoadedModel, share: int = 10_000) -> Scorer:
    return Scorer(
        Roles(
            active=model("v1", 0.1),
            candidate=candidate,
            share=Share("cards", candidate.revision, share),
        )
    )


def test_the_candidate_answers_its_share_and_nothing_else() -> None:
    scorer = on_trial(model("v2", 0.95), 1000)
    by_candidate = {one for one in IDS if scorer.answer(one).model.version == "v2"}  # type: ignore[union-attr]
    share = Share("cards", "r-v2", 1000)
    assert by_candidate == {one for one in IDS if share.has(one)}
    assert scorer.counted("v2") == (len(by_candidate), 0, 0)
    assert scorer.counted("v1") == (len(IDS) - len(by_candidate), 0, 0)


@pytest.mark.parametrize(
    ("what", "errors", "invalid"),
    [
        (float("nan"), 0, 1),
        (1.5, 0, 1),
        (RowError("risk", "is too much"), 1, 0),
        (RuntimeError("a defect"), 1, 0),
    ],
)
def test_what_the_candidate_cannot_score_the_active_one_answers(
    what: float | Exception, errors: int, invalid: int
) -> None:
    scorer = on_trial(model("v2", what))
    answer = scorer.answer()
    assert (answer.score, answer.degraded) == (0.1, ())
    assert answer.model is not None
    assert answer.model.version == "v1"
    assert scorer.counted("v2") == (1, errors, invalid)
    assert scorer.counted("v1") == (1, 0, 0)


def test_a_candidate_for_other_features_fails_by_itself() -> None:
    scorer = on_trial(model("v2", 0.9, (Feature(name="another", type="number"),)))
    assert scorer.answer().score == 0.1
    assert scorer.counted("v2") == (1, 1, 0)


def test_a_wrong_transaction_is_the_callers_fault_and_not_the_candidates() -> None:
    scorer = on_trial(model("v2", 0.9))
    with pytest.raises(Problem, match="is missing"):
        scorer.answer(wrong=1.0)
    assert scorer.counted("v2") == (0, 0, 0)
    assert scorer.counted("v1") == (0, 0, 0)


def test_what_the_active_one_cannot_score_is_counted() -> None:
    scorer = Scorer(Roles(active=model("v1", float("inf"))))
    with pytest.raises(Problem, match="no probability"):
        scorer.answer()
    assert scorer.counted("v1") == (1, 0, 1)


def shadowed(what: float | Exception) -> Scorer:
    return Scorer(Roles(active=model("v1", 0.1), candidate=model("v2", what), shadow=True))


def test_a_shadow_scores_copies_after_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    scorer = shadowed(0.95)
    with caplog.at_level("DEBUG", logger="fraud_scorer.predictions"):
        answers = [scorer.answer(one) for one in IDS[:10]]
        assert scorer.counted("v2") == (0, 0, 0)
        scorer.turn()
    assert {one.score for one in answers} == {0.1}
    found = counts(scorer.counters.slots)["r-v2"]
    assert (found.requests, found.decline) == (10, 10)
    lines: list[Any] = [vars(one) for one in caplog.records]
    assert [one["role"] for one in lines] == ["active"] * 10 + ["shadow"] * 10
    for first, copy in zip(lines[:10], lines[10:], strict=True):
        assert copy["prediction_id"] == first["prediction_id"]
        assert copy["transaction_id"] == first["transaction_id"]
        assert (first["score"], copy["score"]) == (0.1, 0.95)


@pytest.mark.parametrize("what", [float("nan"), RowError(None, "no"), RuntimeError("a defect")])
def test_a_shadow_that_fails_is_nobodys_business(what: float | Exception) -> None:
    scorer = shadowed(what)
    assert scorer.answer().score == 0.1
    scorer.turn()
    requests, errors, invalid = scorer.counted("v2")
    assert (requests, errors + invalid) == (1, 1)


def test_a_shadow_that_is_behind_scores_fewer() -> None:
    scorer = shadowed(0.95)
    for n in range(1500):
        assert scorer.answer(f"t-{n}").score == 0.1
    scorer.turn()
    assert scorer.counted("v2") == (1024, 0, 0)
    assert scorer.counted("v1") == (1500, 0, 0)


def test_a_shadow_that_was_withdrawn_scores_nothing_more() -> None:
    scorer = shadowed(0.95)
    scorer.answer()
    scorer.registry.assign(Roles(active=model("v1", 0.1)))
    scorer.turn()
    assert scorer.counted("v2") == (0, 0, 0)


def test_a_stand_in_says_so() -> None:
    good = model("v1", 0.1)
    scorer = Scorer(Roles(active=good, fallback=True, last_known_good=good))
    assert scorer.answer().degraded == ("model",)
    assert scorer.pipeline.stands_in


@pytest.mark.parametrize("decision", ["approve", "review", "decline"])
def test_without_a_model_the_declared_decision_is_the_answer(decision: Any) -> None:
    scorer = Scorer(Roles(when_unavailable=decision))
    answer = scorer.answer()
    assert (answer.decision, answer.score, answer.model) == (decision, None, None)
    assert (answer.reasons, answer.degraded) == ((), ("model",))
    with pytest.raises(Problem, match="is missing"):
        scorer.pipeline.answer(scorer.pipeline.admit({}), b"{}")


def test_without_a_model_and_a_decision_there_is_no_answer() -> None:
    with pytest.raises(Problem) as caught:
        Scorer(Roles()).answer()
    assert caught.value.status == 503


def test_whoever_asks_for_a_version_takes_part_in_no_trial() -> None:
    scorer = on_trial(model("v2", 0.95))
    parsed = parse(msgspec.json.encode(transaction({"risk": 0.5})))
    pipeline = scorer.pipeline
    answer = pipeline.answer_parsed(pipeline.admit({}), parsed, version="v1")
    assert answer.score == 0.1
    assert pipeline.answer_parsed(pipeline.admit({}), parsed).score == 0.95
    with pytest.raises(Problem) as caught:
        pipeline.answer_parsed(pipeline.admit({}), parsed, version="v2")
    assert caught.value.status == 404
