"""What the features allow, tried on the compiled model.

A value that passes a request's checks and that the model then refuses would be the service's own
mistake; so it is found here, where it can still be put right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fraud_scorer.artifact.manifest import Feature, Value
from fraud_scorer.engine import Model, RowError
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import UnfitError

_UNSEEN = "a category that no training data has"


def score(model: Model, row: Row, what: str) -> float:
    """The row's score. Raises UnfitError where there is none, or it is no probability."""
    try:
        found = model.score_one(row)
    except RowError as error:
        raise UnfitError(f"the model cannot score {what}: {error}") from error
    if not 0 <= found <= 1:
        raise UnfitError(f"the model's score of {what} is not a probability from 0 to 1")
    return found


def probe(model: Model, row: Row, features: Sequence[Feature]) -> None:
    """Score the limits of each number, null where it is allowed, each listed category and one that
    nobody has seen; the other values are those of `row`. Raises UnfitError with what to change."""
    for column, feature in enumerate(features):
        for value, advice in _allowed(feature):
            tried = (*row[:column], value, *row[column + 1 :])
            try:
                score(model, tried, feature.name)
            except UnfitError as error:
                why = error.__cause__ or error
                raise UnfitError(
                    f"{feature.name} may be {value!r}, but the model says {str(why)!r}: {advice}"
                ) from error


def _allowed(feature: Feature) -> Iterator[tuple[Value, str]]:
    """Values that the feature may have, with what to do where the model takes one of them not."""
    if feature.nullable:
        yield None, "give it an imputer, or drop nullable"
    if feature.type == "number":
        low, high = feature.bounds
        yield low, "raise its minimum"
        yield high, "lower its maximum"
    elif feature.categories is None:
        yield _UNSEEN, "let its encoder ignore unknown ones, or list categories"
    for category in feature.categories or ():
        yield category, "list only categories that the model knows"
