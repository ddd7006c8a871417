"""A store of record that is held in memory, and counts each history anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from fraud_scorer.features import state
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.history import Read, first_bucket
from fraud_scorer.features.layout import KindLayout
from fraud_scorer.features.state import NOTHING


class MemoryHistory:
    """All events of this process as the store of record.

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
