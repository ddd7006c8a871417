"""From the totals of histories to the values of features: where floats begin.

Totals are integers. A mean is their quotient, rounded once; a time since is in seconds. Where a
history is not known, and where a mean, maximum, time or share has nothing to be of, the value is
the default of the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fraud_scorer.artifact.features import LabelRate, Lookup, Window
from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features.events import MOST
from fraud_scorer.features.layout import Layout, Placed
from fraud_scorer.features.state import NOTHING, UNKNOWN, Totals

_Finish = Callable[[Totals, int], Value]
"""The value, from the totals of the feature's entity and the transaction's time."""


class Values:
    """Makes the declared features of one layout."""

    __slots__ = ("_by_kind", "_defaults")

    def __init__(self, layout: Layout) -> None:
        self._defaults = {one.name: one.source.default for one in layout.features}
        self._by_kind = [
            [(one.name, _finish(one)) for one in layout.features if one.kind == kind]
            for kind in range(len(layout.kinds))
        ]

    def of(self, totals: Sequence[Totals | None], time: int) -> dict[str, Value]:
        """All declared features by name; `totals` are those of each kind, None where the
        transaction has no such entity or nothing is known of it."""
        values = self._defaults.copy()
        for found, features in zip(totals, self._by_kind, strict=True):
            if found is not None:
                for name, finish in features:
                    values[name] = finish(found, time)
        return values

    @property
    def defaults(self) -> dict[str, Value]:
        """The population's values, which stand in for all that is not known."""
        return dict(self._defaults)


def _finish(feature: Placed) -> _Finish:
    source = feature.source
    if isinstance(source, Lookup):
        return _lookup(feature.at, source.default)
    if isinstance(source, LabelRate):
        return _share(feature.at, source.default)
    if source.aggregate == "distinct":
        return _distinct(feature.at, source.default, source.most or 0)
    if feature.own is None:
        return _before(source, feature.at)
    return _with_own(source, feature.at, feature.own)


def _lookup(at: int, default: Value) -> _Finish:
    def value(totals: Totals, time: int) -> Value:
        found = totals[at]
        if found is NOTHING:
            return default
        return found if isinstance(found, str) else float(found)

    return value


def _share(at: int, default: Value) -> _Finish:
    def value(totals: Totals, time: int) -> Value:
        labelled = totals[at]
        return totals[at + 1] / labelled if labelled > 0 else default

    return value


def _distinct(at: int, default: Value, most: int) -> _Finish:
    return lambda totals, time: default if totals[at] == UNKNOWN else float(min(totals[at], most))


def _before(source: Window, at: int) -> _Finish:
    """Of a window that ends before the transaction's own bucket."""
    default, amount, highest, latest = source.default, at + 1, at + 2, at + 3
    if source.aggregate == "count":
        return lambda totals, time: default if totals[at] == UNKNOWN else float(totals[at])
    if source.aggregate == "sum":
        return lambda totals, time: default if totals[at] == UNKNOWN else float(totals[amount])
    if source.aggregate == "mean":
        return lambda totals, time: totals[amount] / totals[at] if totals[at] > 0 else default
    if source.aggregate == "max":
        return lambda totals, time: float(totals[highest]) if totals[at] > 0 else default
    return lambda totals, time: (
        max(time - totals[latest], 0) / 1_000_000 if totals[at] > 0 else default
    )


def _with_own(source: Window, at: int, own: int) -> _Finish:
    """Of a window that ends with it: that bucket's totals belong to it."""
    default, amounts, own_amounts = source.default, at + 1, own + 1

    def count(totals: Totals, time: int) -> Value:
        before = totals[at]
        return default if before == UNKNOWN else float(before + totals[own])

    def amount(totals: Totals, time: int) -> Value:
        if totals[at] == UNKNOWN:
            return default
        found: float = totals[amounts] + totals[own_amounts]
        return float(found if found < MOST else MOST)

    def mean(totals: Totals, time: int) -> Value:
        number: float = totals[at] + totals[own]
        if number <= 0 or totals[at] == UNKNOWN:
            return default
        found: float = totals[amounts] + totals[own_amounts]
        return (found if found < MOST else MOST) / number

    def highest(totals: Totals, time: int) -> Value:
        if totals[at] == UNKNOWN or not totals[at] + totals[own]:
            return default
        return float(max(totals[at + 2], totals[own + 2]))

    def since(totals: Totals, time: int) -> Value:
        if totals[at] == UNKNOWN or not totals[at] + totals[own]:
            return default
        latest: float = max(totals[at + 3], totals[own + 3])
        return max(time - latest, 0) / 1_000_000

    finishes = {"count": count, "sum": amount, "mean": mean, "max": highest, "sinceLast": since}
    return finishes[source.aggregate]
