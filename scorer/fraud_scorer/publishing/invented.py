"""Rows for a model of which nothing is known but itself: where its score changes is tried out.

Each feature is moved over all magnitudes while the others stand still; where the score changes,
and by how much, says which values matter. Rows are drawn from around those, and of many rows a
few are kept whose scores lie far apart. The same model gives the same rows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from fraud_scorer.artifact.manifest import MAX_NUMBER, Feature, Value
from fraud_scorer.engine import Model, RowError
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import NoProbabilityError, UnfitError

_MAGNITUDES = tuple(float(f"{digit}e{power}") for power in range(-4, 10) for digit in (1, 2, 5))
_GRID = (*(-one for one in reversed(_MAGNITUDES)), 0.0, *_MAGNITUDES)
_STANDPOINTS = 4
_DRAWN = 1500
_WIDE = 300  # features from which on less is tried, so that it takes seconds
_NULLS = 0.1
_UNSEEN = "a category that no training data has"

# Where a logarithm, a root or an exponential is in the way of any number at all.
_LOWEST = (None, 0.0, 1.0)
_HIGHEST = (None, 1e15, 1e6, 1.0)

Range = tuple[Value, Value]
"""Numbers from the first to the second; for a category, or null, twice the same."""


def permitted(model: Model, features: Sequence[Feature]) -> list[Feature]:
    """The features with what the model takes of each: whether null, which numbers, and which
    categories. Raises UnfitError where it takes next to nothing."""
    row = _any_row(model, features)
    return [_permitted(model, row, column, one) for column, one in enumerate(features)]


def invented(model: Model, features: Sequence[Feature], *, most: int) -> list[Row]:
    """At most that many rows, by rising score, the lowest and the highest among them."""
    draw = random.Random(0)  # noqa: S311 -- of no secret
    row = _any_row(model, features)
    ranges: list[dict[Range, float]] = [{} for _ in features]
    narrow = len(features) < _WIDE
    for _ in range(_STANDPOINTS if narrow else 1):
        for column, feature in enumerate(features):
            for found, weight in _changes(model, row, column, feature).items():
                ranges[column][found] = ranges[column].get(found, 0.0) + weight
        row = _drawn(draw, features, ranges, 1)[0]
    rows = _drawn(draw, features, ranges, _DRAWN if narrow else _DRAWN // 10)
    scored = zip(model.score_rows(rows), rows, strict=True)
    by_score = {score: one for score, one in scored if not math.isnan(score)}
    if not by_score:
        raise UnfitError(
            "no generated transaction can be scored: publish the model with `fraud-scorer publish`,"
            " which takes the ranges of features and transactions to prove it by"
        )
    rising = sorted(by_score)
    count = min(most, len(rising))
    places = [round(i * (len(rising) - 1) / max(1, count - 1)) for i in range(count)]
    return [by_score[rising[place]] for place in places]


def _any_row(model: Model, features: Sequence[Feature]) -> Row:
    """One that the model can score."""
    for number in (0.0, 1.0, 0.5, 100.0):
        row = tuple(
            number if one.type == "number" else _known(model, column)[0]
            for column, one in enumerate(features)
        )
        try:
            score = model.score_one(row)
        except RowError:
            continue
        if not 0 <= score <= 1:
            raise NoProbabilityError(
                f"the model scores a transaction {score!r}, which is no probability from 0 to 1:"
                " train the model anew, and look at what it was fitted on"
            )
        return row
    raise UnfitError(
        "the model scores no transaction whose numbers are all 0, 0.5, 1 or 100: publish it with"
        " `fraud-scorer publish`, which takes the ranges of features"
    )


def _permitted(model: Model, row: Row, column: int, feature: Feature) -> Feature:
    def takes(value: Value) -> bool:
        return _scores(model, (*row[:column], value, *row[column + 1 :]))

    nullable = feature.nullable and takes(None)
    if feature.type == "category":
        open_ended = takes(_UNSEEN)
        known = None if open_ended else tuple(filter(takes, _known(model, column)))
        return msgspec.structs.replace(feature, nullable=nullable, categories=known)
    bounds = []
    for limits, unlimited in ((_LOWEST, -MAX_NUMBER), (_HIGHEST, MAX_NUMBER)):
        for limit in limits:
            if takes(unlimited if limit is None else limit):
                bounds.append(limit)
                break
        else:
            raise UnfitError(
                f"the model takes neither small nor large numbers for {feature.name!r}: publish it"
                " with `fraud-scorer publish`, which takes the ranges of features"
            )
    return msgspec.structs.replace(feature, nullable=nullable, minimum=bounds[0], maximum=bounds[1])


def _changes(model: Model, row: Row, column: int, feature: Feature) -> dict[Range, float]:
    """Between which values of a feature the score changes, and by how much."""
    values = _tried(model, column, feature)
    scores = model.score_rows([(*row[:column], one, *row[column + 1 :]) for one in values])
    known = [(v, s) for v, s in zip(values, scores, strict=True) if not math.isnan(s)]
    if feature.type == "category":
        return {(value, value): 1.0 for value, _ in known}
    return {
        (low, high): abs(after - before)
        for (low, before), (high, after) in pairwise(known)
        if after != before
    }


def _tried(model: Model, column: int, feature: Feature) -> list[Value]:
    if feature.type == "number":
        low, high = feature.bounds
        return [low, *(one for one in _GRID if low < one < high), high]
    return [*_known(model, column), *([_UNSEEN] if feature.categories is None else [])]


def _drawn(
    draw: random.Random,
    features: Sequence[Feature],
    ranges: Sequence[dict[Range, float]],
    count: int,
) -> list[Row]:
    """Rows, each feature drawn by itself."""
    columns = []
    for feature, found in zip(features, ranges, strict=True):
        chances = found or {_nowhere(feature): 1.0}
        chosen = draw.choices(list(chances), list(chances.values()), k=count)
        columns.append([_value(draw, feature, one) for one in chosen])
    return list(zip(*columns, strict=True))


def _nowhere(feature: Feature) -> Range:
    """The values of a feature that moved no score, whatever was tried."""
    low, high = feature.bounds
    return max(low, 0.0), min(max(low, 0.0) + 1.0, high)


def _value(draw: random.Random, feature: Feature, one: Range) -> Value:
    low, high = one
    if feature.nullable and draw.random() < _NULLS:
        return None
    if not isinstance(low, float) or not isinstance(high, float):
        return low
    between = float(f"{draw.uniform(low, high):.6g}")
    return min(max(between, low), high)


def _known(model: Model, column: int) -> Sequence[str]:
    return model.inputs[column].categories or (_UNSEEN,)


def _scores(model: Model, row: Row) -> bool:
    """Whether the model has a score for the row that is a probability."""
    try:
        return 0 <= model.score_one(row) <= 1
    except RowError:
        return False
