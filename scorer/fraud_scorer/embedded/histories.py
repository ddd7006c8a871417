"""The histories of the entities that were seen last, as training has them of all.

There is room for so many. Of an entity that is not there nothing is missing for as long as none of
its kind had to go; after that its history begins behind the newest transaction of those that went,
and windows which reach further back are not known, as `state` has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fraud_scorer.features import state
from fraud_scorer.features.events import Label, Transaction
from fraud_scorer.features.layout import KindLayout, Layout
from fraud_scorer.features.memory import Histories
from fraud_scorer.features.state import Tables, Totals

MOST_ENTITIES = 50_000
MOST_TRANSACTIONS = 40_000
"""Of which it is remembered, by their ids, that they were counted: more than those whose answers
are."""

_Name = tuple[str, str]
"""Kind and id of an entity."""


class BoundedHistories(Histories):
    """Of one layout. Used one event at a time, in the order in which they come."""

    def __init__(
        self,
        layout: Layout,
        *,
        most_entities: int = MOST_ENTITIES,
        most_transactions: int = MOST_TRANSACTIONS,
    ) -> None:
        super().__init__(layout)
        self._most_entities, self._most_transactions = most_entities, most_transactions
        self._by_name = {one.kind: one for one in layout.kinds}
        self._newest: dict[_Name, int] = {}
        """Time of the newest transaction of each entity that is there."""
        self._gone: dict[str, int] = {}
        """The same of those of a kind that went."""

    def observe(self, transaction: Transaction) -> list[Totals | None]:
        """The totals of each kind before this transaction, which then counts. What is remembered of
        one that had its id is told of the same entities only."""
        seen = self._seen.get(transaction.id)
        totals = super().observe(transaction)
        if seen is not None:
            its = map(transaction.entities.get, self._kinds)
            same = [one == before for one, before in zip(its, seen.entities, strict=True)]
            return [one if told else None for one, told in zip(totals, same, strict=True)]
        for kind in self._by_name:
            if (entity := transaction.entities.get(kind)) is not None:
                name = (kind, entity)
                self._newest[name] = max(transaction.time, self._newest.get(name, 0))
        self._make_room()
        return totals

    def label(self, label: Label) -> None:
        """Take a label of a transaction that is not recorded (yet)."""
        super().label(label)
        if len(self._early) > self._most_transactions:
            del self._early[next(iter(self._early))]

    def relabel(self, time: int, entities: Mapping[str, str], labelled: int, frauds: int) -> None:
        """Count (or, negative, discount) labels of a recorded transaction."""
        for kind in self.layout.kinds:
            tables = self._tables.get((kind.kind, entities.get(kind.kind, "")))
            if tables is not None:
                state.label(kind, tables, time, labelled, frauds)

    def look(self, kind: KindLayout, entity: str) -> Tables:
        """A copy of an entity's history, which is not kept for that."""
        if (kind.kind, entity) in self._tables:
            return self.tables(kind.kind, entity)
        return self._begun(kind)

    def _of(self, kind: str, entity: str) -> Tables:
        """Its tables, which are the last to go from now on."""
        name = (kind, entity)
        tables = self._tables.pop(name, None)
        if tables is None:
            tables = self._begun(self._by_name[kind])
        self._tables[name] = tables
        return tables

    def _begun(self, kind: KindLayout) -> Tables:
        """The history of an entity that is not there."""
        tables = state.empty(kind)
        gone = self._gone.get(kind.kind)
        if gone is not None:
            for shape, rows in zip(kind.tables, tables, strict=True):
                if shape.shape != "attributes":
                    rows[0] = gone // shape.width + 1
        return tables

    def _make_room(self) -> None:
        while len(self._tables) > self._most_entities:
            name = next(iter(self._tables))
            del self._tables[name]
            newest = self._newest.pop(name, None)
            if newest is not None:
                self._gone[name[0]] = max(newest, self._gone.get(name[0], newest))
        if len(self._seen) > self._most_transactions:
            del self._seen[next(iter(self._seen))]
