"""Transactions to try a model on: drawn from the reference distributions of its manifest.

Each feature is drawn by itself, so they are like real ones feature by feature, and not as a whole.
Where a manifest has no distribution of a feature, the values of its golden transactions stand for
it. The same manifests give the same transactions.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from fraud_scorer.artifact.manifest import Bins, Feature, Manifest, Value

Transaction = dict[str, Value]

_CROWDED = 0.12  # a first bin with more than its tenth holds one value alone: see distribution.bins
_LISTED = 0.1  # of categories, drawn from all that are listed


def transactions(
    manifest: Manifest, count: int, *, also: Manifest | None = None
) -> list[Transaction]:
    """That many, with the features of the manifest; and those that only `also` has, from there."""
    draw = random.Random(0)  # noqa: S311 -- of no secret
    columns = {one.name: _column(manifest, one) for one in manifest.features}
    for one in also.features if also else ():
        if also and one.name not in columns:
            columns[one.name] = _column(also, one)
    return [{name: value(draw) for name, value in columns.items()} for _ in range(count)]


def origin(manifest: Manifest) -> str:
    """Where the values come from, in words."""
    if manifest.reference is None:
        return "the values of the golden transactions"
    return "the reference distributions of the manifest"


def _column(manifest: Manifest, feature: Feature) -> Callable[[random.Random], Value]:
    seen = [golden.features[feature.name] for golden in manifest.golden]
    present = [value for value in seen if value is not None]
    nulls = 1 - len(present) / len(seen)
    bins = manifest.reference.features.get(feature.name) if manifest.reference else None
    if bins is not None:
        value = _from_bins(bins, feature, present)
    elif feature.categories:
        listed = feature.categories

        def value(draw: random.Random) -> Value:
            return draw.choice(listed if draw.random() < _LISTED or not present else present)
    elif present:

        def value(draw: random.Random) -> Value:
            return draw.choice(present)
    else:

        def value(draw: random.Random) -> Value:
            return None

    return lambda draw: None if nulls and draw.random() < nulls else value(draw)


def _from_bins(
    bins: Bins, feature: Feature, seen: Sequence[Value]
) -> Callable[[random.Random], Value]:
    low, high = feature.bounds
    whole = all(float(edge).is_integer() for edge in bins.edges[:-1]) and all(
        float(value).is_integer() for value in seen if isinstance(value, float | int)
    )
    alone = bins.shares[0] > _CROWDED
    upto = list(accumulate(bins.shares))

    def value(draw: random.Random) -> Value:
        place = min(bisect_right(upto, draw.random() * upto[-1]), len(bins.shares) - 1)
        found = bins.edges[place]
        if place or not alone:
            found = draw.uniform(found, bins.edges[place + 1])
        if whole:
            found = float(int(found // 1))
        return min(max(found, low), high)

    return value
