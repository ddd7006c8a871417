"""OneHotEncoder and OrdinalEncoder.

What each known category becomes is asked of the fitted encoder itself, so that drop, infrequent
categories and their corner cases need no second implementation here.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.OneHotEncoder")
def onehot(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """One column a category, or a group of infrequent ones."""
    _check_type(builder, fitted)
    slots: list[int] = []
    first = 0
    for i, slot in enumerate(x.slots):
        width = fitted._n_features_outs[i]
        rows = _encoded(fitted, i)[:, first : first + width]
        positions = [float(np.argmax(row)) if row.any() else -1.0 for row in rows]
        unknown = (
            None if fitted.handle_unknown == "error" else _unknown_position(fitted, i, positions)
        )
        codes = _table(builder, fitted, i, slot, positions, unknown)
        slots += builder.onehot(codes, width)
        first += width
    return Matrix(tuple(slots), sparse=bool(fitted.sparse_output))


@transformer("sklearn.OrdinalEncoder")
def ordinal(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """One column of codes a feature."""
    _check_type(builder, fitted)
    slots = []
    for i, slot in enumerate(x.slots):
        codes = [float(row[i]) for row in _encoded(fitted, i)]
        unknown = None if fitted.handle_unknown == "error" else float(fitted.unknown_value)
        slots.append(_table(builder, fitted, i, slot, codes, unknown))
    return Matrix(tuple(slots))


def _check_type(builder: Builder, fitted: Any) -> None:
    if np.dtype(fitted.dtype) == np.float32:
        raise builder.refuse("it computes in float32", "fit it with dtype=float")


def _encoded(fitted: Any, feature: int) -> NDArray[Any]:
    """What the encoder makes of each category of one feature (the others at their first one)."""
    categories = fitted.categories_
    probe = np.empty((len(categories[feature]), len(categories)), dtype=object)
    for other, values in enumerate(categories):
        probe[:, other] = values[0]
    for row, value in enumerate(categories[feature]):
        probe[row, feature] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = fitted.transform(probe)
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=float)


def _unknown_position(fitted: Any, feature: int, positions: list[float]) -> float:
    """Unknown categories join the infrequent ones where there are any, and else have no column."""
    infrequent = getattr(fitted, "_infrequent_indices", None)
    if fitted.handle_unknown == "ignore" or infrequent is None or infrequent[feature] is None:
        return -1.0
    return positions[int(infrequent[feature][0])]


def _table(
    builder: Builder,
    fitted: Any,
    feature: int,
    slot: int,
    values: list[float],
    unknown: float | None,
) -> int:
    owner = builder.slots[slot].category
    if owner is None:
        builder.check(Matrix((slot,)), nan=False)
    table: dict[float, float] = {}
    null = unknown
    nulls = 0
    for category, value in zip(fitted.categories_[feature], values, strict=True):
        if category is None or (isinstance(category, float) and np.isnan(category)):
            null, nulls = value, nulls + 1
        elif owner is not None:
            table[builder.code(owner, _text(builder, owner, category))] = value
        elif isinstance(category, str):
            raise builder.wants_category(slot, f"it was fitted on strings such as {category!r}")
        else:
            table[float(category)] = value
    if nulls > 1:
        raise builder.refuse("it tells None from NaN", "use one of them for missing values")
    return builder.lookup(slot, table, null=null, unknown=unknown)


def _text(builder: Builder, owner: int, category: Any) -> str:
    if isinstance(category, str):
        return str(category)
    raise builder.refuse(
        f"it was fitted on {category!r}, but {builder.inputs[owner].name!r} brings strings",
        "declare the feature as a number, or fit the encoder on strings",
    )
