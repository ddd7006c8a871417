"""Transactions to fit and score: ties, skew, categories with rare values, missing ones, and rows
made to break an engine (infinity, denormals, the edges of float32, a model's own thresholds)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Kind = Literal["numbers", "missing", "mixed"]
Row = tuple[float | str | None, ...]

FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_OVERFLOW = float.fromhex("0x1.ffffffp+127")
"""The smallest double that float32 rounds to infinity."""

HOSTILE = [
    float("nan"),
    float("inf"),
    float("-inf"),
    0.0,
    -0.0,
    5e-324,
    -2.2e-308,
    1e-40,
    1e-46,
    float(np.nextafter(FLOAT32_OVERFLOW, 0)),
    FLOAT32_OVERFLOW,
    -FLOAT32_OVERFLOW,
    FLOAT32_MAX,
    1e39,
    -1e300,
    1.7e308,
]


@dataclass(frozen=True)
class Spec:
    """A feature as the compiler takes it."""

    name: str
    type: Literal["number", "category"]
    nullable: bool


@dataclass(frozen=True)
class Table:
    """Rows with their names and labels; `frame` is what scikit-learn is given."""

    specs: tuple[Spec, ...]
    rows: list[Row]
    y: NDArray[Any]

    @property
    def frame(self) -> Any:
        return as_frame(self.specs, self.rows)


def as_frame(specs: tuple[Spec, ...], rows: list[Row]) -> Any:
    """An array where all are numbers, else a DataFrame with object columns for categories."""
    if all(s.type == "number" for s in specs):
        return np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
    columns = {}
    for i, spec in enumerate(specs):
        values = [row[i] for row in rows]
        if spec.type == "number":
            columns[spec.name] = pd.Series(
                [np.nan if v is None else v for v in values], dtype=float
            )
        else:
            texts = [np.nan if v is None else v for v in values]
            columns[spec.name] = pd.Series(texts, dtype=object)
    return pd.DataFrame(columns)


def transactions(kind: Kind, n: int, seed: int) -> Table:
    """`n` rows: eight numbers, and for "mixed" two categories; "missing" and "mixed" have gaps."""
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(3, 1.2, n), 2)
    hour = rng.integers(0, 24, n).astype(float)
    count = rng.poisson(2, n).astype(float)
    others = [rng.normal(size=n) * 10.0**k for k in (-3, 0, 2)]
    flag = rng.integers(0, 2, n).astype(float)
    tied = rng.choice([0.1, 0.2, 0.30000000000000004, 1 / 3], n)
    numbers = np.stack([amount, hour, count, *others, flag, tied], axis=1)
    risk = 0.4 * (amount > 40) + 0.3 * (hour < 6) + 0.1 * count + 0.3 * others[1]
    country = rng.choice(
        ["DE", "FR", "US", "BR", "NG", "Zürich", ""], n, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.03, 0.02]
    )
    channel = rng.choice(["web", "app", "pos"], n)
    risk = risk + 0.8 * (country == "NG") + 0.2 * (channel == "web")
    y = (risk + rng.normal(size=n) * 0.3 > np.quantile(risk, 0.7)).astype(int)
    gaps = rng.random((n, 10)) < (0.0 if kind == "numbers" else 0.08)
    rows: list[Row] = []
    for i in range(n):
        values: list[float | str | None] = [
            None if gaps[i, j] else float(v) for j, v in enumerate(numbers[i])
        ]
        if kind == "mixed":
            values += [
                None if gaps[i, 8] else str(country[i]),
                None if gaps[i, 9] else str(channel[i]),
            ]
        rows.append(tuple(values))
    specs = [Spec(f"n{j}", "number", True) for j in range(8)]
    if kind == "mixed":
        specs += [Spec("country", "category", True), Spec("channel", "category", True)]
    return Table(tuple(specs), rows, y)


def hostile_rows(table: Table, thresholds: NDArray[Any], seed: int, n: int) -> list[Row]:
    """Rows of the table with one value put to an edge: of the format, or of the model."""
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    numbers = [i for i, s in enumerate(table.specs) if s.type == "number"]
    for value in HOSTILE:
        made.append(
            _with(table.rows[int(rng.integers(len(table.rows)))], int(rng.choice(numbers)), value)
        )
    for _ in range(n):
        row = table.rows[int(rng.integers(len(table.rows)))]
        for column in rng.choice(numbers, 3, replace=False):
            if len(thresholds):
                edge = float(rng.choice(thresholds))
                near = [edge, np.nextafter(edge, np.inf), np.nextafter(edge, -np.inf)]
                single = np.float32(edge)
                near += [float(single), float(np.nextafter(single, np.float32(np.inf)))]
                row = _with(row, int(column), float(near[int(rng.integers(len(near)))]))
        made.append(row)
    for i, spec in enumerate(table.specs):
        made.append(_with(table.rows[0], i, None))
        if spec.type == "category":
            made.append(_with(table.rows[1], i, "never seen"))
    return made


def _with(row: Row, column: int, value: float | str | None) -> Row:
    changed = list(row)
    changed[column] = value
    return tuple(changed)
