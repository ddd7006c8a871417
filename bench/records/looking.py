"""How long it takes to find a transaction, or a user's history, among all that is recorded.

Look-ups are at random, as if nobody had looked before, and each is logged and committed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.records import material
from fraud_scorer.ledger import lookups
from fraud_scorer.ledger.database import Connection, Database

LOOK_UPS = 1000
HISTORY = 100
"""Transactions that a look at a history shows."""


@dataclass(frozen=True)
class Looked:
    """Milliseconds, and how many transactions a history showed on average."""

    transaction_p50: float
    transaction_p99: float
    history_p50: float
    history_p99: float
    shown: float


def measure(database: Database, records: int) -> Looked:
    """Among so many records."""
    with database.connect() as connection:
        transactions, _ = _looks(connection, records, _transaction)
        histories, shown = _looks(connection, records, _history)
    return Looked(*transactions, *histories, shown)


def _looks(
    connection: Connection, records: int, look: Callable[[Connection, int], int]
) -> tuple[tuple[float, float], float]:
    """The median and the 99th percentile, and what was found on average."""
    chosen = random.Random(5)
    took, found = [], 0
    for _ in range(LOOK_UPS):
        number = chosen.randrange(records)
        began = time.perf_counter()
        found += look(connection, number)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return (took[LOOK_UPS // 2], took[LOOK_UPS * 99 // 100]), found / LOOK_UPS


def _transaction(connection: Connection, number: int) -> int:
    known = lookups.transaction(connection, material.ids(number).transaction, principal="bench")
    assert len(known.answers) == 1, f"transaction {number} was found {len(known.answers)} times"
    return 1


def _history(connection: Connection, number: int) -> int:
    found = lookups.history(
        connection, material.ids(number).customer, principal="bench", limit=HISTORY
    )
    assert found, f"the customer of transaction {number} has no history"
    return len(found)
