"""The engine against a NumPy reading of the documented format: every slot, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from fraud_scorer.engine import RowError, load
from tests.unit.engine import oracle
from tests.unit.engine.catalogue import CASES, Case, table
from tests.unit.engine.comparing import compiled_bytes
from tests.unit.engine.data import Row, hostile_rows


def as_numbers(row: Row, inputs: list[dict[str, object]]) -> list[float]:
    """A row as the program's first slots hold it."""
    made = []
    for value, one in zip(row, inputs, strict=True):
        if value is None:
            made.append(np.nan)
        elif isinstance(value, str):
            names = list(one["categories"])  # type: ignore[call-overload]
            made.append(float(names.index(value)) if value in names else -1.0)
        else:
            made.append(value)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_slot(case: Case) -> None:
    data = compiled_bytes(case)
    engine, file = load(data), oracle.parse(data)
    fresh = table(case.kind, 12, 77)
    rows = fresh.rows + hostile_rows(fresh, np.array([0.5]), seed=5, n=3)
    numbers = np.array([as_numbers(row, file.header["inputs"]) for row in rows])
    slots, refused = oracle.run(file, numbers)
    for row, expected, expect_refused in zip(rows, slots, refused, strict=True):
        if expect_refused:
            with pytest.raises(RowError):
                engine.trace(row)
        else:
            np.testing.assert_array_equal(np.array(engine.trace(row)), expected)
