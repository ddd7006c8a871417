"""The histories of all entities, one event after the other: what training goes through."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import msgspec

from fraud_scorer.features import state
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.layout import Layout, Table
from fraud_scorer.features.state import Tables, Totals


class _Seen(msgspec.Struct, gc=False):
    """A transaction that was counted, as far as a repetition or a label of it needs it."""

    totals: bytes
    """Packed: there are as many of these as there were transactions."""
    time: int
    entities: tuple[str | None, ...]
    """Of each kind."""
    label: tuple[int, bool] | None = None


@dataclass(slots=True)
class _Told:
    """What was last said of an entity under a name."""

    observed_at: int
    value: float | str


class Histories:
    """Used one event at a time, in the order in which they come."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._kinds = [kind.kind for kind in layout.kinds]
        self._tables: dict[tuple[str, str], Tables] = {}
        self._seen: dict[str, _Seen] = {}
        self._early: dict[str, tuple[int, bool]] = {}
        """Labels of transactions that did not come yet."""
        self._told: defaultdict[tuple[str, str], dict[str, _Told]] = defaultdict(dict)

    def observe(self, transaction: Transaction) -> list[Totals | None]:
        """The totals of each kind before this transaction, which then counts."""
        seen = self._seen.get(transaction.id)
        if seen is not None:
            found: list[Totals | None] = msgspec.msgpack.decode(seen.totals)
            return found
        totals: list[Totals | None] = []
        entities = tuple(map(transaction.entities.get, self._kinds))
        for kind, entity in zip(self.layout.kinds, entities, strict=True):
            if entity is None:
                totals.append(None)
                continue
            tables = self._of(kind.kind, entity)
            cell = state.cells(kind, transaction)
            totals.append(state.totals(kind, tables, cell))
            state.add(kind, tables, cell, transaction.time)
        self._seen[transaction.id] = _Seen(
            msgspec.msgpack.encode(totals), transaction.time, entities
        )
        if early := self._early.pop(transaction.id, None):
            self.label(Label(transaction.id, *early))
        return totals

    def label(self, label: Label) -> None:
        """Take a label into the tables of its transaction's entities."""
        said = (label.observed_at, label.fraud)
        seen = self._seen.get(label.transaction_id)
        if seen is None:
            self._early[label.transaction_id] = max(
                said, self._early.get(label.transaction_id, said)
            )
            return
        before = seen.label
        if before is not None and before >= said:
            return
        seen.label = said
        labelled = int(before is None)
        frauds = int(label.fraud) - int(before is not None and before[1])
        for kind, entity in zip(self.layout.kinds, seen.entities, strict=True):
            if entity is None:
                continue
            state.label(kind, self._of(kind.kind, entity), seen.time, labelled, frauds)

    def attribute(self, attribute: Attribute) -> None:
        """Take what was said of an entity."""
        key = (attribute.entity, attribute.id)
        told = self._told[key].get(attribute.name)
        if told is None or told.observed_at <= attribute.observed_at:
            self._told[key][attribute.name] = _Told(attribute.observed_at, attribute.value)
            for kind in self.layout.kinds:
                if kind.kind == attribute.entity:
                    self._tell(self._of(*key), kind.tables, attribute)

    def tables(self, kind: str, entity: str) -> Tables:
        """A copy of an entity's history."""
        return [
            [list(row) if isinstance(row, list) else row for row in table]
            for table in self._of(kind, entity)
        ]

    def _of(self, kind: str, entity: str) -> Tables:
        tables = self._tables.get((kind, entity))
        if tables is None:
            its = next(one for one in self.layout.kinds if one.kind == kind)
            tables = self._tables[kind, entity] = state.empty(its)
        return tables

    def _tell(self, tables: Tables, shapes: tuple[Table, ...], attribute: Attribute) -> None:
        for table, values in zip(shapes, tables, strict=True):
            if table.shape == "attributes" and attribute.name in table.names:
                values[table.names.index(attribute.name)] = attribute.value
