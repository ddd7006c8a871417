"""SimpleImputer with its indicator, and MissingIndicator alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.SimpleImputer")
def simple(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """Missing values replaced by the fitted statistics; columns without any are dropped."""
    missing = fitted.missing_values
    markers = _markers(builder, x, missing)
    _refuse_infinite(builder, x, missing)
    statistics = list(fitted.statistics_)
    empty = [_is_nan(s) for s in statistics]
    kept = [i for i in range(len(x)) if fitted.keep_empty_features or not empty[i]]
    values = np.array([_as_number(builder, x.slots[i], statistics[i]) for i in kept])
    columns = x.take(kept)
    filled = builder.fill(columns, markers[kept], values) if kept else columns
    if not fitted.add_indicator:
        return filled
    flags = _indicate(builder, fitted.indicator_, x, markers)
    return Matrix(filled.slots + flags.slots, x.sparse)


@transformer("sklearn.MissingIndicator")
def indicator(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """1.0 for missing, for the columns chosen when it was fitted."""
    _refuse_infinite(builder, x, fitted.missing_values)
    if fitted.error_on_new and fitted.features == "missing-only":
        known = set(map(int, fitted.features_))
        builder.check(x.take([i for i in range(len(x)) if i not in known]), inf=False)
    return _indicate(builder, fitted, x, _markers(builder, x, fitted.missing_values))


def _indicate(builder: Builder, fitted: Any, x: Matrix, markers: np.ndarray[Any, Any]) -> Matrix:
    chosen = [int(i) for i in fitted.features_]
    return builder.missing(x.take(chosen), markers[chosen]) if chosen else Matrix((), x.sparse)


def _refuse_infinite(builder: Builder, x: Matrix, missing: Any) -> None:
    """Numbers are checked by scikit-learn, strings are not; NaN passes only as the marker."""
    numbers = Matrix(tuple(s for s in x.slots if builder.slots[s].category is None))
    builder.check(numbers, nan=not (missing is None or _is_nan(missing)))


def _markers(builder: Builder, x: Matrix, missing: Any) -> np.ndarray[Any, Any]:
    return np.array([_as_number(builder, slot, missing) for slot in x.slots], dtype=float)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def _as_number(builder: Builder, slot: int, value: Any) -> float:
    """A fitted value as its slot holds it: a category's code, NaN for a missing one, a number."""
    if value is None or _is_nan(value) or type(value).__name__ == "NAType":
        return float("nan")
    owner = builder.slots[slot].category
    if owner is not None:
        return builder.code(owner, str(value))
    if isinstance(value, str):
        raise builder.refuse(
            f"the string {value!r} in a column of numbers", "declare the feature as a category"
        )
    return float(value)
