"""The demo's business: a corner of the handbook's map, moved to today.

It is a fifth of the customers with all that happened at their terminals. The first day of the
handbook's test week is today, at the same time of day, so that days begin and end where they did:
what was before now is history, with labels as they became known, and what comes after it is sent
while the demo runs, a day of the business in less than a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from examples.handbook.dataset import Dataset
from examples.handbook.envelopes import stamp, transaction, write_lines
from examples.handbook.features import DELAY
from examples.handbook.inputs import REQUEST
from examples.handbook.kept import HISTORY_DAYS
from examples.handbook.simulator import DAY, Parameters, homes
from examples.handbook.split import FIRST_TRAINING_DAY, TRAINING_DAYS, split
from examples.handbook.streams import Integers

SIDE = 45.0
"""Of the corner, on the map of 100 by 100. It is the one where both kinds of fraud happen that
amounts do not show."""
LATE_DAYS = 7
"""So many days of labels are not there yet when the demo begins: the banks are late."""
SOURCE = "issuing banks"


@dataclass(frozen=True)
class Files:
    """Gzipped lines of JSON, as they are sent; each in the order of time."""

    history: Path
    """Transactions of the weeks before now."""
    known: Path
    """Labels of those that were known in time."""
    late: Path
    """Labels that should have been there by now."""
    upcoming: Path
    """What examples/demo/stream.py sends: transactions with what they are in truth."""


@dataclass(frozen=True)
class Corner:
    """Which transactions of a data set are whose part. Times are `later` than in the data set."""

    data: Dataset
    later: timedelta
    history: Integers
    upcoming: Integers

    def write(self, folder: Path, now: datetime) -> Files:
        """Write all of it."""
        names = ("history", "known", "late", "upcoming")
        files = Files(*(folder / f"{name}.jsonl.gz" for name in names))
        write_lines(files.history, (self._sent(row) for row in self.history.tolist()))
        write_lines(files.known, self._labels(now, DELAY + LATE_DAYS, HISTORY_DAYS))
        write_lines(files.late, self._labels(now, DELAY, DELAY + LATE_DAYS))
        write_lines(files.upcoming, self._with_truth())
        return files

    def newly_compromised(self, now: datetime) -> dict[str, Any]:
        """A fraud that is to come, at the terminal of which the late labels tell most, and those
        that were there in time nothing."""
        data = self.data.transactions
        present = int((now - self.later - data.start).total_seconds())
        rows = self.history[data.fraud[self.history]]
        age = present - data.seconds[rows]
        known = data.terminal[rows[age >= (DELAY + LATE_DAYS) * DAY]]
        late = data.terminal[rows[(age >= DELAY * DAY) & (age < (DELAY + LATE_DAYS) * DAY)]]
        coming = self.upcoming[data.scenario[self.upcoming] == 2]
        coming = coming[~np.isin(data.terminal[coming], known)]
        told = [int((late == terminal).sum()) for terminal in data.terminal[coming]]
        return self._sent(int(coming[int(np.argmax(told))]))

    def _sent(self, row: int) -> dict[str, Any]:
        return transaction(self.data, row, REQUEST, self.later)

    def _with_truth(self) -> Iterator[dict[str, Any]]:
        scenario = self.data.transactions.scenario
        for row in self.upcoming.tolist():
            kind = int(scenario[row])
            yield {"transaction": self._sent(row), "fraud": kind > 0, "scenario": kind}

    def _labels(self, now: datetime, newest: int, oldest: int) -> Iterator[dict[str, Any]]:
        """Of transactions from `oldest` to `newest` days ago; a fraud is known a week after it.

        What comes late is observed when it comes, which is now.
        """
        transactions = self.data.transactions
        late = newest < DELAY + LATE_DAYS
        for row in self.history.tolist():
            happened = transactions.start + timedelta(seconds=int(transactions.seconds[row]))
            happened += self.later
            if not timedelta(newest) <= now - happened < timedelta(oldest):
                continue
            yield {
                "transaction_id": f"tx-{row}",
                "label": "chargeback" if transactions.scenario[row] else "cleared",
                "event_time": stamp(happened),
                "observed_at": stamp(now if late else happened + timedelta(DELAY)),
                "source": SOURCE,
            }


def corner(data: Dataset, now: datetime, parameters: Parameters | None = None) -> Corner:
    """The corner of the business of these parameters, as of now (UTC)."""
    transactions = data.transactions
    first_test_day = FIRST_TRAINING_DAY + timedelta(TRAINING_DAYS + DELAY)
    later = timedelta((now.date() - first_test_day.date()).days)
    present = int((now - later - transactions.start).total_seconds())

    inside = homes(parameters or Parameters()).min(axis=1) > 100 - SIDE
    ours = inside[transactions.customer]
    upcoming = split(transactions).test & ours & (transactions.seconds >= present)
    before = (transactions.seconds < present) & (
        transactions.seconds >= present - HISTORY_DAYS * DAY
    )
    of_terminals = np.isin(transactions.terminal, np.unique(transactions.terminal[upcoming]))
    return Corner(
        data, later, np.flatnonzero(before & (ours | of_terminals)), np.flatnonzero(upcoming)
    )
