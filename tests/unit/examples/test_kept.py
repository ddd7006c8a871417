"""Rows of kept features: those that a scorer would have had, though old history is left out."""

from pathlib import Path

import numpy as np
import pytest

from examples.handbook import kept, windows
from examples.handbook.simulator import Parameters, Transactions, simulate
from examples.handbook.split import split
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import materialise


@pytest.fixture(scope="module")
def transactions() -> Transactions:
    return simulate(Parameters(customers=12, terminals=8, radius=90, days=137))


def test_they_are_what_the_whole_history_gives(transactions: Transactions, tmp_path: Path) -> None:
    whole = materialise(
        windows.transactions(transactions),
        windows.labels(transactions),
        layout(windows.declared()),
    )
    rows = np.array([list(row.values()) for row in whole], dtype=float)
    found, weeks = kept.load(transactions, tmp_path), split(transactions)
    for week in (weeks.training, weeks.delay, weeks.test):
        assert week.any()
        assert np.array_equal(found.of(week), rows[week])
    assert found.rows.any(axis=0).all(), "a column without any value"


def test_they_are_made_once(
    transactions: Transactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kept.load(transactions, tmp_path)
    monkeypatch.setattr(kept, "materialise", None)
    again = kept.load(transactions, tmp_path)
    assert (again.first, again.rows.tobytes()) == (made.first, made.rows.tobytes())
