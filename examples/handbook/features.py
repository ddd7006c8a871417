"""The handbook's fifteen features of a transaction, for all transactions at once.

A customer's window of n days reaches from n days ago (left out) to the transaction itself
(counted). A terminal's ends a week earlier, because whether a transaction was a fraud is known
only then. Windows are exact: sums are of integers, so a feature depends on nothing but its window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.handbook.simulator import DAY, Transactions
from examples.handbook.streams import Floats, Integers

WINDOWS = (1, 7, 30)
"""Days."""
DELAY = 7
"""Days until it is known whether a transaction was a fraud."""
_LAST_HOUR_OF_NIGHT = 6
_SATURDAY = 5

NAMES: tuple[str, ...] = (
    "amount",
    "weekend",
    "night",
    *(f"customer_{what}_{days}d" for days in WINDOWS for what in ("count", "mean_amount")),
    *(f"terminal_{what}_{days}d" for days in WINDOWS for what in ("count", "fraud_share")),
)
"""In the handbook's order, which is the order of the columns."""


def features(transactions: Transactions) -> Floats:
    """Features by name, (transactions, 15) as in NAMES; amounts in units, not minor units.

    The transactions must be ordered by time and complete: a window sees only what is there. Of two
    transactions of a customer in one second the earlier in order does not see the later.
    """
    columns = [transactions.amount_minor / 100, *_calendar(transactions)]
    columns += _customer_windows(transactions)
    columns += _terminal_windows(transactions)
    return np.column_stack(columns)


def _calendar(transactions: Transactions) -> list[Floats]:
    start = transactions.start
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = transactions.seconds + int((start - midnight).total_seconds())
    weekend = (seconds // DAY + start.weekday()) % 7 >= _SATURDAY
    night = seconds % DAY // 3600 <= _LAST_HOUR_OF_NIGHT
    return [weekend.astype(float), night.astype(float)]


def _customer_windows(transactions: Transactions) -> list[Floats]:
    windows = _Windows(transactions.customer, transactions.seconds)
    spent = windows.running(transactions.amount_minor)
    end = windows.itself + 1
    columns: list[Floats] = []
    for days in WINDOWS:
        first = windows.first_within(days)
        count = end - first
        mean = (spent[end] - spent[first]) / count / 100
        columns += [windows.in_order(count.astype(float)), windows.in_order(mean)]
    return columns


def _terminal_windows(transactions: Transactions) -> list[Floats]:
    windows = _Windows(transactions.terminal, transactions.seconds)
    frauds = windows.running(transactions.fraud.astype(np.int64))
    end = windows.first_within(DELAY)
    columns: list[Floats] = []
    for days in WINDOWS:
        first = windows.first_within(DELAY + days)
        count = end - first
        share = (frauds[end] - frauds[first]) / np.maximum(count, 1)
        columns += [windows.in_order(count.astype(float)), windows.in_order(share)]
    return columns


class _Windows:
    """Windows over time of the transactions that share a key, as ranges of one sorted order."""

    def __init__(self, keys: Integers, seconds: Integers) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._seconds = seconds[self._order]
        self._keys = keys[self._order]
        self.itself: NDArray[np.int64] = np.arange(len(keys))
        """The position of each transaction in the sorted order."""

    def first_within(self, days: int) -> Integers:
        """For each transaction the position of its key's first one less than `days` old."""
        longest = days * DAY
        # Keys lie so far apart on this line that a window never reaches into the key before.
        apart = int(self._seconds.max(initial=0)) + longest + 1
        line = self._keys * apart + self._seconds
        return np.searchsorted(line, line - longest, side="right")

    def running(self, values: Integers) -> Integers:
        """Sums of the sorted values before each position, and of all: one longer than they."""
        return np.concatenate([[0], np.cumsum(values[self._order])])

    def in_order(self, column: Floats) -> Floats:
        """The column in the order of the transactions again."""
        restored = np.empty_like(column)
        restored[self._order] = column
        return restored
