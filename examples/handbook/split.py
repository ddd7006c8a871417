"""What a model learns from, and what it is judged by: the handbook's weeks of summer 2018.

It learns from one week, waits one until that week's frauds are known, and is judged by the next.
Cards that are known to be stolen are blocked, so their transactions are left out of the judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from examples.handbook.features import DELAY
from examples.handbook.simulator import Transactions

FIRST_TRAINING_DAY = datetime(2018, 7, 25, tzinfo=UTC)
TRAINING_DAYS = TEST_DAYS = 7


@dataclass(frozen=True, slots=True)
class Split:
    """Which transactions belong to which week."""

    training: NDArray[np.bool_]
    delay: NDArray[np.bool_]
    """Later than the training, earlier than the test; their frauds are not known yet."""
    test: NDArray[np.bool_]
    """Without the cards known to be stolen on the day of the transaction."""


def split(transactions: Transactions, first: datetime = FIRST_TRAINING_DAY) -> Split:
    """The weeks that begin with the day `first`."""
    day = transactions.day - (first - transactions.start) // timedelta(days=1)
    training = (day >= 0) & (day < TRAINING_DAYS)
    first_test_day = TRAINING_DAYS + DELAY
    test = np.zeros(len(transactions), dtype=bool)
    for today in range(first_test_day, first_test_day + TEST_DAYS):
        known = transactions.fraud & (day >= 0) & (day < today - DELAY)
        blocked = np.unique(transactions.customer[known])
        test |= (day == today) & ~np.isin(transactions.customer, blocked)
    return Split(training, (day >= TRAINING_DAYS) & (day < first_test_day), test)
