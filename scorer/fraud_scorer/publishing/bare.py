"""A model file that comes alone: what can be found out of it without a word from whoever made it.

Its inputs are those that it was fitted on. Which of them are categories the compiler says, which
may be null and how far numbers may go the compiled model says. There are no transactions to prove
it by, so rows are made up and scored by the model's own library.

What cannot be found out stays away: no thresholds, no distributions to measure drift from, and no
reasons, which would need ordinary transactions to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fraud_scorer import engine
from fraud_scorer.artifact.manifest import Feature, Golden
from fraud_scorer.compile import Refused, WantsCategory, compile_model
from fraud_scorer.engine import Model
from fraud_scorer.publishing.compiling import framework
from fraud_scorer.publishing.fitted import Fitted
from fraud_scorer.publishing.invented import invented, permitted
from fraud_scorer.publishing.parity import require_parity
from fraud_scorer.publishing.probe import probe
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import NoProbabilityError, UnfitError
from fraud_scorer.sandbox.draft import Draft

MOST_GOLDEN = 32
_GOLDEN_BYTES = 400_000  # all of them together, in a manifest of a megabyte


def describe(estimator: Any) -> tuple[Draft, bytes]:
    """The description and the compiled model. Raises UnfitError, naming what stands in the way."""
    fraud = Fitted(estimator, ()).fraud  # first, as it says what is no model at all
    numbers = [_number(name) for name in _names(estimator)]
    features, data = _compiled(estimator, fraud, numbers)
    model = engine.load(data)
    features = permitted(model, features)
    if any(not one.nullable for one in features):
        features, data = _compiled(estimator, fraud, features)
        model = engine.load(data)
    fitted = Fitted(estimator, features)
    rows = invented(model, features, most=_how_many(features))
    scores = _scores(fitted, model, rows)
    require_parity(model, fitted, rows, "generated")
    probe(model, rows[0], features)
    golden = tuple(
        Golden(
            features={one.name: value for one, value in zip(features, row, strict=True)},
            score=float(score),
        )
        for row, score in zip(rows, scores, strict=True)
    )
    return Draft(framework=framework(model), features=tuple(features), golden=golden), data


def _names(estimator: Any) -> list[str]:
    """What its inputs are called: as it was taught, or else as scikit-learn calls nameless ones."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None:
        names = [str(name) for name in known]
    else:
        count = getattr(estimator, "n_features_in_", None)
        if not isinstance(count, int | np.integer) or count < 1:
            raise UnfitError(
                "the model does not say how many inputs it has: publish it with `fraud-scorer"
                " publish`, which takes a list of features"
            )
        names = [f"x{index}" for index in range(int(count))]
    if not all(1 <= len(name) <= 128 for name in names):
        raise UnfitError("a column that the model was fitted on has no name, or a very long one")
    return names


def _number(name: str) -> Feature:
    return Feature(name=name, type="number", nullable=True)


def _compiled(
    estimator: Any, fraud: Any, features: Sequence[Feature]
) -> tuple[list[Feature], bytes]:
    """The compiled model, and its features with those as categories that the model takes as such.

    One that the compiler complains of is changed and all compiled again: encoders stand at a
    model's beginning, where that costs nothing.
    """
    found = list(features)
    for _ in range(len(found) + 1):
        try:
            return found, compile_model(estimator, found, positive=fraud)
        except WantsCategory as wanted:
            found = [_category(one) if one.name == wanted.feature else one for one in found]
        except Refused as error:
            raise UnfitError(f"the model cannot be compiled. {error}") from error
    raise UnfitError("the model takes the same columns as numbers and as categories")


def _category(one: Feature) -> Feature:
    return Feature(name=one.name, type="category", nullable=one.nullable)


def _how_many(features: Sequence[Feature]) -> int:
    size = sum(len(one.name) + 30 for one in features)
    return max(2, min(MOST_GOLDEN, _GOLDEN_BYTES // size))


def _scores(fitted: Fitted, model: Model, rows: Sequence[Row]) -> np.ndarray[Any, Any]:
    """By the model's own library. Raises NoProbabilityError where one is no probability."""
    ours = np.array(model.score_rows(rows))
    scores = min(fitted.scores(rows), key=lambda theirs: float(np.abs(theirs - ours).max()))
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise NoProbabilityError(
            f"the model's own library scores a generated transaction {scores[first]!r}, which is"
            " no probability from 0 to 1: train the model anew, and look at what it was fitted on"
        )
    return scores
