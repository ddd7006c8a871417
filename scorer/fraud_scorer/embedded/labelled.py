"""What labels in the data file say of a transaction: the one observed last counts; of two at the
same time, the one that says fraud."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from fraud_scorer.features.events import microseconds

Said = tuple[int, bool]
"""When it was observed, and whether it was fraud."""
Row = tuple[str, str]
"""Label, and when it was observed."""


def said(labels: Iterable[Row]) -> Said:
    """What counts of these labels of one transaction."""
    return max(
        (microseconds(datetime.fromisoformat(observed_at)), label != "cleared")
        for label, observed_at in labels
    )


def labels_of(connection: sqlite3.Connection, transaction_id: str) -> list[Row]:
    """The labels of a transaction."""
    return connection.execute(
        "SELECT label, observed_at FROM labels WHERE transaction_id = ?", [transaction_id]
    ).fetchall()


def labels_of_all(connection: sqlite3.Connection) -> Iterator[tuple[str, list[Row]]]:
    """The labels of every transaction that has some."""
    rows = connection.execute(
        "SELECT transaction_id, label, observed_at FROM labels ORDER BY transaction_id"
    ).fetchall()
    for transaction_id, its in groupby(rows, key=lambda row: str(row[0])):
        yield transaction_id, [(label, observed_at) for _, label, observed_at in its]
