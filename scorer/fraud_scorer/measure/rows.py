"""Transactions to score: drawn from the distributions in the manifest, where it has any.

A model asked for one row again and again would only show how fast memory is that was just used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from fraud_scorer.artifact.manifest import Bins, Feature, Value
from fraud_scorer.registry.inputs import sent
from fraud_scorer.registry.loaded import LoadedModel

_SPREAD = 1000.0
_TRIED = 50


class NoRows(ValueError):
    """The model refuses whatever can be drawn for it."""


def drawn(model: LoadedModel, count: int, seed: int = 0) -> list[dict[str, Value]]:
    """`count` transactions' features that the model scores. Raises NoRows."""
    random = Random(seed)  # noqa: S311 -- the same rows every time
    draws = {one.name: _draw(model, one, random) for one in model.manifest.features}
    rows: list[dict[str, Value]] = []
    for _ in range(_TRIED):
        tried = [{name: draw() for name, draw in draws.items()} for _ in range(count - len(rows))]
        scores = model.model.score_rows([tuple(row.values()) for row in tried])
        rows += [row for row, score in zip(tried, scores, strict=True) if score == score]
        if len(rows) == count:
            return rows
    raise NoRows("the model refuses most rows drawn at random: give some with --rows")


def body(model: LoadedModel, features: dict[str, Value], number: int) -> bytes:
    """A request about those features, as far as they come in requests."""
    features = {one.name: features[one.name] for one in sent(model.manifest)}
    envelope: dict[str, Any] = {
        "transaction_id": f"bench-{number}",
        "event_time": datetime(2026, 1, 1, tzinfo=UTC),
        "entities": {"customer": f"c-{number}", "terminal": "t-1"},
        "amount_minor": 1999,
        "currency": "EUR",
        "features": features,
    }
    return msgspec.json.encode(envelope)


def _draw(model: LoadedModel, feature: Feature, random: Random) -> Callable[[], Value]:
    if feature.type == "category":
        known = next(one.categories for one in model.model.inputs if one.name == feature.name)
        names = feature.categories or known or ("unknown",)
        return lambda: random.choice(names)
    reference = model.manifest.reference
    if reference is not None and feature.name in reference.features:
        return _like(reference.features[feature.name], feature, random)
    low, high = feature.bounds
    low, high = max(low, -_SPREAD), min(high, _SPREAD)
    return lambda: random.uniform(low, max(low, high))


def _like(bins: Bins, feature: Feature, random: Random) -> Callable[[], Value]:
    places = range(len(bins.shares))
    low, high = feature.bounds

    def draw() -> Value:
        (place,) = random.choices(places, bins.shares)
        value = random.uniform(bins.edges[place], bins.edges[place + 1])
        return min(max(value, low), high)

    return draw
