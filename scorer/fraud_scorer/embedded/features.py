"""The declared features out of histories in memory, which are counted anew from the data file when
the process begins."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator

from fraud_scorer.embedded.data import DataFile
from fraud_scorer.embedded.histories import MOST_ENTITIES, BoundedHistories
from fraud_scorer.embedded.labelled import labels_of_all, said
from fraud_scorer.features import state
from fraud_scorer.features.events import Label, Transaction
from fraud_scorer.features.history import Read
from fraud_scorer.features.layout import KindLayout, Layout
from fraud_scorer.features.online import WITH_DEFAULTS, Answer, system_clock
from fraud_scorer.features.values import Values
from fraud_scorer.ledger.entries import decode_personal

_PAST = (
    "SELECT transaction_id, event_time, personal FROM answers AS one WHERE NOT EXISTS (SELECT 1"
    " FROM answers WHERE transaction_id = one.transaction_id AND sequence < one.sequence)"
    " ORDER BY sequence"
)

_log = logging.getLogger(__name__)


class EmbeddedFeatures:
    """Of one layout: models with equal declarations share it. Used from the event loop's thread."""

    def __init__(
        self, layout: Layout, data: DataFile, *, most_entities: int = MOST_ENTITIES
    ) -> None:
        self.layout, self._data = layout, data
        self.histories = BoundedHistories(layout, most_entities=most_entities)
        self._values = Values(layout)
        self._counted: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Count what the file has of the time before; ask nothing until that is done."""
        if self._counted is None:
            self._counted = asyncio.get_running_loop().create_task(self._count())
        await asyncio.shield(self._counted)

    def tell(self, transaction: Transaction, done: Callable[[Answer], None]) -> None:
        """Call with its features; from then on it counts for others."""
        totals = self.histories.observe(transaction)
        lacking = any(
            kind.kind in transaction.entities and (its is None or state.unknown(kind, its))
            for kind, its in zip(self.layout.kinds, totals, strict=True)
        )
        values = self._values.of(totals, transaction.time)
        done(Answer(values, 0.0, (WITH_DEFAULTS,) if lacking else ()))

    async def refresh(self, named: Iterable[tuple[str, str]]) -> None:
        """Labels are taken over as they are recorded, so there is nothing to be read anew."""

    async def aclose(self) -> None:
        """Count no longer."""
        if self._counted is not None:
            self._counted.cancel()
            await asyncio.gather(self._counted, return_exceptions=True)

    async def _count(self) -> None:
        count = await self._data.ask(self._replay)
        if count:
            _log.info("histories are counted anew", extra={"transactions": count})

    def _replay(self, connection: sqlite3.Connection) -> int:
        """In the thread of the file, while nobody asks yet."""
        count = 0
        for transaction in _past(connection):
            self.histories.observe(transaction)
            count += 1
        for transaction_id, labels in labels_of_all(connection):
            observed_at, fraud = said(labels)
            row = connection.execute(
                "SELECT event_time, personal FROM answers WHERE transaction_id = ?"
                " ORDER BY sequence LIMIT 1",
                [transaction_id],
            ).fetchone()
            if row is None:
                self.histories.label(Label(transaction_id, observed_at, fraud))
            else:
                entities = decode_personal(row[1]).entities
                self.histories.relabel(row[0], entities, 1, int(fraud))
        return count


class EmbeddedHistory:
    """What is kept of an entity now, for whoever looks."""

    def __init__(self, features: Collection[EmbeddedFeatures]) -> None:
        """`features` may grow."""
        self._features = features

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        """As it is in memory."""
        its = next(one for one in self._features if kind in one.layout.kinds)
        return Read(system_clock(), its.histories.look(kind, entity))

    async def probe(self) -> None:
        """It is never away."""


def _past(connection: sqlite3.Connection) -> Iterator[Transaction]:
    """All recorded transactions, each once, in the order in which they were answered."""
    for transaction_id, time, personal in connection.execute(_PAST):
        its = decode_personal(personal)
        yield Transaction(transaction_id, time, its.entities, its.amount_minor, its.currency)
