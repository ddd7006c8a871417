"""Reference rows: from a DataFrame or an array to rows as the engine takes them, and the one row
that stands for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fraud_scorer.engine.model import Value

MOST_ROWS = 10_000
"""More reference rows than this are thinned out evenly."""


def rows_of(data: Any, inputs: Sequence[Any]) -> list[tuple[Value, ...]]:
    """The rows of a DataFrame (by name), an array or a list of dicts or sequences (by position),
    in the order of the inputs."""
    if hasattr(data, "columns"):
        step = max(1, math.ceil(len(data) / MOST_ROWS))
        columns = [data[one.name].iloc[::step].tolist() for one in inputs]
        rows: list[Sequence[Any]] = list(zip(*columns, strict=True))
    else:
        listed = data.tolist() if hasattr(data, "tolist") else list(data)
        step = max(1, math.ceil(len(listed) / MOST_ROWS))
        rows = [_in_order(row, inputs) for row in listed[::step]]
    return [tuple(map(plain, row)) for row in rows]


def plain(value: Any) -> Value:
    """A value as JSON would bring it: missing is None, and numpy's numbers are Python's."""
    if value is None or value != value or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, str):
        return str(value)
    number = float(value)
    return None if math.isnan(number) else number


def typical(rows: Sequence[Sequence[Value]], inputs: Sequence[Any]) -> tuple[Value, ...]:
    """By input the lower median, or the most frequent category; missing where most are missing."""
    return tuple(
        _typical([row[i] for row in rows], is_category=one.type == "category")
        for i, one in enumerate(inputs)
    )


def _typical(values: list[Value], *, is_category: bool) -> Value:
    present = [v for v in values if v is not None]
    if 2 * len(present) < len(values) or not present:
        return None
    if is_category:
        counts = Counter(map(str, present))
        return min(counts, key=lambda name: (-counts[name], name))
    ordered = sorted(float(v) for v in present)
    return ordered[(len(ordered) - 1) // 2]


def _in_order(row: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    if isinstance(row, dict):
        return [row.get(one.name) for one in inputs]
    return list(row)
