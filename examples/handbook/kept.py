"""What is kept of customers and terminals, for every transaction from training to test.

The twelve features that `windows.py` declares, computed by `fraud_scorer.features.offline`: by the
same definition as a scorer computes them from Redis or Postgres. It goes through half a million
transactions one by one, which takes a minute or two; the result lies in the cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fraud_scorer.artifact.features
import fraud_scorer.features
from examples.handbook import cache as caches
from examples.handbook import windows
from examples.handbook.features import DELAY, WINDOWS
from examples.handbook.simulator import DAY, Transactions
from examples.handbook.split import FIRST_TRAINING_DAY, split
from examples.handbook.streams import Floats
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import materialise

HISTORY_DAYS = max(WINDOWS) + DELAY + 1
"""As far as a window reaches back, with the day that has begun."""
_CODE = (
    Path(__file__),
    Path(windows.__file__),
    Path(fraud_scorer.artifact.features.__file__),
    *(
        Path(str(fraud_scorer.features.__file__)).with_name(f"{name}.py")
        for name in ("events", "history", "layout", "memory", "offline", "state", "values")
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of kept features, in the order of `windows.declared()`."""

    first: int
    """The transaction to which the first row belongs."""
    rows: Floats

    def of(self, chosen: NDArray[np.bool_]) -> Floats:
        """The rows of those transactions, which lie between the first of training and the last of
        test."""
        found: Floats = self.rows[np.flatnonzero(chosen) - self.first]
        return found


def load(transactions: Transactions, cache: Path | None = None) -> Kept:
    """From the cache or into it."""
    weeks = split(transactions)
    day = (FIRST_TRAINING_DAY - transactions.start).days
    begin, first = np.searchsorted(transactions.seconds, [(day - HISTORY_DAYS) * DAY, day * DAY])
    last = int(np.flatnonzero(weeks.test)[-1])
    seen = transactions.where(slice(int(begin), last + 1))
    columns = caches.load(
        "kept", _identity(seen), _CODE, lambda: {"rows": _rows(seen, int(first - begin))}, cache
    )
    return Kept(int(first), columns["rows"])


def _rows(seen: Transactions, first: int) -> Floats:
    declared = windows.declared()
    made = materialise(windows.transactions(seen), windows.labels(seen), layout(declared))
    names = [feature.name for feature in declared]
    rows = [[row[name] for name in names] for number, row in enumerate(made) if number >= first]
    return np.array(rows, dtype=float).reshape(-1, len(names))


def _identity(transactions: Transactions) -> bytes:
    digest = hashlib.sha256(transactions.start.isoformat().encode())
    for column in (
        transactions.seconds, transactions.customer, transactions.terminal,
        transactions.amount_minor, transactions.scenario,
    ):  # fmt: skip
        digest.update(column.tobytes())
    return digest.digest()
