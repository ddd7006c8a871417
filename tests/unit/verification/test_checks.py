"""Scores and speed of a model that proved itself by its golden transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from fraud_scorer.artifact.manifest import Bins, Feature, Golden, Manifest, Reference
from fraud_scorer.engine import Input, RowError
from fraud_scorer.verification import checks, sample
from fraud_scorer.verification.refusal import Refusal
from tests.unit.scorer.support import manifest_of

NUMBER = Feature(name="amount", type="number", minimum=0)


class Scoring:
    """A model of the test's own arithmetic."""

    def __init__(self, score: Callable[[float], float]) -> None:
        self.inputs = (Input(name="amount", type="number", nullable=False),)
        self._score = score

    def score_one(self, row: Any) -> float:
        (value,) = row
        return self._score(value)


def described(*golden: float, edges: tuple[float, ...] = (0.0, 10.0, 100.0)) -> Manifest:
    found = manifest_of([NUMBER], {"amount": 5.0})
    share = 1 / (len(edges) - 1)
    return msgspec.structs.replace(
        found,
        golden=tuple(Golden(features={"amount": 5.0}, score=one) for one in golden),
        reference=Reference(
            features={"amount": Bins(edges=edges, shares=(share,) * (len(edges) - 1))},
            score=Bins(edges=(0.0, 1.0), shares=(1.0,)),
        ),
    )


def tried(score: Callable[[float], float], manifest: Manifest) -> list[float]:
    rows = sample.transactions(manifest, 200)
    model: Any = Scoring(score)
    return checks.scores(model, manifest, rows)


def test_probabilities_are_fine() -> None:
    assert len(tried(lambda amount: amount / 1000, described(0.1, 0.2))) == 200


def over_ninety(amount: float) -> float:
    if amount > 90:
        raise RowError("amount", "is infinite or too large for the model")
    return 0.5 + amount / 1000


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (lambda amount: float("nan") if amount > 90 else amount / 1000, "scores nan"),
        (lambda amount: 1.5 if amount > 90 else amount / 1000, "scores 1.5"),
        (lambda amount: -0.01 if amount > 90 else amount / 1000, "scores -0.01"),
        (lambda amount: float("inf"), "scores inf"),
        (over_ninety, "cannot be scored"),
        (lambda _: 0.25, "does not look at its inputs"),
    ],
)
def test_scores_that_are_none_are_refused(score: Callable[[float], float], said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        tried(score, described(0.1, 0.2))
    assert caught.value.reason == "ScoresInvalid"


def test_a_model_that_says_it_is_constant_is() -> None:
    assert set(tried(lambda _: 0.25, described(0.25, 0.25))) == {0.25}


def work(rounds: int) -> Callable[[float], float]:
    def score(amount: float) -> float:
        return sum(amount for _ in range(rounds)) * 0

    return score


def test_a_slow_model_is_refused_and_a_quick_one_is_not() -> None:
    rows = sample.transactions(described(0.1), 100)
    slow: Any = Scoring(work(100_000))
    taken = checks.milliseconds(slow, rows)
    with pytest.raises(Refusal, match=r"maxScoreMilliseconds allows 0\.01") as caught:
        checks.require_speed(taken, 0.01)
    assert caught.value.reason == "TooSlow"
    checks.require_speed(taken, None)
    checks.require_speed(taken, 60_000)
    quick: Any = Scoring(work(1))
    assert checks.milliseconds(quick, rows) < taken


def test_the_slower_the_model_the_fewer_rows() -> None:
    assert checks.affordable(0.001) == checks.MOST_ROWS
    assert checks.affordable(1e9) == 50
    assert 50 < checks.affordable(50) < checks.MOST_ROWS


def every_kind() -> Manifest:
    features = [
        NUMBER,
        Feature(name="night", type="number"),
        Feature(name="share", type="number", maximum=1),
        Feature(name="age", type="number", nullable=True),
        Feature(name="tier", type="category", categories=("gold", "iron", "tin")),
        Feature(name="channel", type="category"),
    ]
    row: Mapping[str, Any] = {
        "amount": 5.5,
        "night": 0.0,
        "share": 0.0,
        "age": None,
        "tier": "gold",
        "channel": "web",
    }
    found = manifest_of(features, row)
    other = Golden(features={**row, "night": 1.0, "age": 3.0, "channel": "app"}, score=0.5)
    one = 1.0000000000000002
    return msgspec.structs.replace(
        found,
        golden=(*found.golden, other),
        reference=Reference(
            features={
                "amount": Bins(edges=(-5.0, 1.5, 20.25, 300.0), shares=(0.1, 0.7, 0.2)),
                "night": Bins(edges=(0.0, 1.0, one), shares=(0.9, 0.1)),
                "share": Bins(edges=(0.0, 0.25, 0.75, one), shares=(0.8, 0.15, 0.05)),
            },
            score=Bins(edges=(0.0, 1.0), shares=(1.0,)),
        ),
    )


def test_sampled_transactions_are_like_the_reference() -> None:
    rows = sample.transactions(every_kind(), 4000)
    assert rows == sample.transactions(every_kind(), 4000)

    def share(name: str, value: object) -> float:
        return sum(row[name] == value for row in rows) / len(rows)

    assert min(row["amount"] for row in rows) == 0  # type: ignore[type-var]
    assert max(row["amount"] for row in rows) <= 300  # type: ignore[operator,type-var]
    assert share("night", 1.0) == pytest.approx(0.1, abs=0.02)
    assert share("night", 0.0) == pytest.approx(0.9, abs=0.02)
    assert share("share", 0.0) == pytest.approx(0.8, abs=0.03)
    assert share("age", None) == pytest.approx(0.5, abs=0.03)
    assert {row["tier"] for row in rows} == {"gold", "iron", "tin"}
    assert {row["channel"] for row in rows} == {"web", "app"}


def test_features_of_another_manifest_are_drawn_from_there() -> None:
    other = manifest_of(
        [NUMBER, Feature(name="extra", type="number")], {"amount": 1.0, "extra": 7.0}
    )
    rows = sample.transactions(every_kind(), 10, also=other)
    assert {row["extra"] for row in rows} == {7.0}
    assert len({row["amount"] for row in rows}) > 5
