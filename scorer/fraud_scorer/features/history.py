"""Where histories are read from when Redis has them not: what must never lose one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from fraud_scorer.features import state
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.layout import KindLayout, Table
from fraud_scorer.features.state import NOTHING, Tables


class HistoryAway(Exception):
    """The store of record cannot be asked, or did not answer."""


@dataclass(frozen=True, slots=True)
class Read:
    """An entity's history as it was read."""

    stamp: int
    """By the store's clock, microseconds: what was recorded before is in it."""
    tables: Tables


class History(Protocol):
    """The store of record."""

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        """What windows of transactions at `time` and later need of an entity, with what was
        observed until `now`, and without those transactions. Raises HistoryAway."""
        ...

    async def probe(self) -> None:
        """Raise where it cannot be asked."""
        ...


class MemoryHistory:
    """All events of this process as the store of record: for a laptop, and for tests.

    Who answers transactions must `record` each, after its features were taken.
    """

    def __init__(self) -> None:
        self._transactions: dict[str, Transaction] = {}
        self._of: defaultdict[tuple[str, str], list[Transaction]] = defaultdict(list)
        self._labels: dict[str, Label] = {}
        self._told: defaultdict[tuple[str, str], dict[str, Attribute]] = defaultdict(dict)
        self.reads = 0

    def record(self, event: Transaction | Label | Attribute) -> None:
        """Take an event that has happened; of a repeated transaction only the first."""
        if isinstance(event, Transaction):
            if event.id not in self._transactions:
                self._transactions[event.id] = event
                for named in event.entities.items():
                    self._of[named].append(event)
        elif isinstance(event, Label):
            former = self._labels.get(event.transaction_id, event)
            self._labels[event.transaction_id] = max(
                former, event, key=lambda one: (one.observed_at, one.fraud)
            )
        else:
            told = self._told[event.entity, event.id]
            if event.name not in told or told[event.name].observed_at <= event.observed_at:
                told[event.name] = event

    def transaction(self, transaction_id: str) -> Transaction | None:
        """That transaction."""
        return self._transactions.get(transaction_id)

    def label(self, transaction_id: str) -> Label | None:
        """What counts of what was said about it."""
        return self._labels.get(transaction_id)

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        """Counted anew."""
        self.reads += 1
        tables = state.empty(kind)
        oldest = time
        for table, rows in zip(kind.tables, tables, strict=True):
            if table.width:
                rows[0] = first_bucket(table, time)
                oldest = min(oldest, rows[0] * table.width)
        its = [one for one in self._of[kind.kind, entity] if one.time >= oldest]
        for one in its:
            if one.id not in excluding:
                state.add(kind, tables, state.cells(kind, one), one.time)
            if label := self._labels.get(one.id):
                state.label(kind, tables, one.time, 1, int(label.fraud))
        told = self._told[kind.kind, entity]
        for table, rows in zip(kind.tables, tables, strict=True):
            for index, name in enumerate(table.names):
                rows[index] = told[name].value if name in told else NOTHING
        return Read(self.reads, tables)

    async def probe(self) -> None:
        """It is here."""


def first_bucket(table: Table, time: int) -> int:
    """The oldest bucket that windows of a transaction at `time` reach."""
    return time // table.width - table.keep + 1


def newest(rows: list[Any], table: Table, since: int) -> list[Any]:
    """A table of these rows, oldest first, of which it keeps the newest as `state` does."""
    width = {"sums": 5, "labels": 3, "distinct": 1}[table.shape]
    most = table.keep * width
    if len(rows) > most:
        last_dropped = rows[-most - width]
        since = (last_dropped[0] if table.shape == "distinct" else last_dropped) + 1
        rows = rows[-most:]
    return [since, *rows]
