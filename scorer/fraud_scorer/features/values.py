"""From the totals of histories to the values of features: where floats begin.

Totals are integers. A mean is their quotient, rounded once; a time since is in seconds. Where a
history is not known, and where a mean, maximum, time or share has nothing to be of, the value is
the default of the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fraud_scorer.artifact.features import LabelRate, Lookup, Window
from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features.layout import Layout, Placed
from fraud_scorer.features.state import NOTHING, UNKNOWN, Totals

_Finish = Callable[[Totals, int], Value]
"""The value, from the totals of the feature's entity and the transaction's time."""


class Values:
    """Makes the declared features of one layout."""

    __slots__ = ("_defaults", "_finish")

    def __init__(self, layout: Layout) -> None:
        self._finish = [(one.name, one.kind, _finish(one)) for one in layout.features]
        self._defaults = {one.name: one.source.default for one in layout.features}

    def of(self, totals: Sequence[Totals | None], time: int) -> dict[str, Value]:
        """All declared features by name; `totals` are those of each kind, None where the
        transaction has no such entity or nothing is known of it."""
        values: dict[str, Value] = {}
        for name, kind, finish in self._finish:
            found = totals[kind]
            values[name] = self._defaults[name] if found is None else finish(found, time)
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
    return _window(source, feature.at)


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


def _window(source: Window, at: int) -> _Finish:
    default = source.default
    if source.aggregate == "distinct":
        most = source.most or 0
        return lambda totals, time: (
            default if totals[at] == UNKNOWN else float(min(totals[at], most))
        )
    if source.aggregate == "count":
        return lambda totals, time: default if totals[at] == UNKNOWN else float(totals[at])
    if source.aggregate == "sum":
        return lambda totals, time: default if totals[at] == UNKNOWN else float(totals[at + 1])
    if source.aggregate == "mean":
        return lambda totals, time: totals[at + 1] / totals[at] if totals[at] > 0 else default
    if source.aggregate == "max":
        return lambda totals, time: float(totals[at + 2]) if totals[at] > 0 else default
    return lambda totals, time: (
        max(time - totals[at + 3], 0) / 1_000_000 if totals[at] > 0 else default
    )
