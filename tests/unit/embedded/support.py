"""The embedded default without a server: what it is asked, in the order in which it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.embedded.data import DataFile
from fraud_scorer.embedded.features import EmbeddedFeatures
from fraud_scorer.embedded.ledger import EmbeddedLedger
from fraud_scorer.embedded.records import EmbeddedRecorder
from fraud_scorer.features.events import Label, Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.online import Answer
from fraud_scorer.ledger import labels
from fraud_scorer.ledger.entries import Answered, Personal, Prediction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time: int) -> datetime:
    """Microseconds as a time."""
    return _EPOCH + timedelta(microseconds=time)


def entry(transaction: Transaction) -> tuple[Answered, Personal]:
    """Its record."""
    said = Prediction("active", 0.5, "review", "m", "v1", "sha256:0")
    answered = Answered(
        moment(transaction.time), f"p-{transaction.id}", transaction.id, (said,), "anonymous"
    )
    personal = Personal(
        moment(transaction.time), dict(transaction.entities), transaction.amount_minor,
        transaction.currency, {},
    )  # fmt: skip
    return answered, personal


class Service:
    """One process with that file, from its start to its end."""

    def __init__(self, data: DataFile, features: EmbeddedFeatures) -> None:
        self.data, self.features = data, features
        self.records = EmbeddedRecorder(data, "customer")
        self.ledger = EmbeddedLedger(data, [features])

    def ask(self, transaction: Transaction) -> Answer:
        """The features of a transaction."""
        found: list[Answer] = []
        self.features.tell(transaction, found.append)
        return found[0]

    async def answer(self, transaction: Transaction) -> Answer:
        """The same, recorded."""
        found = self.ask(transaction)
        receipt = self.records.record(*entry(transaction))
        assert receipt.wait is not None
        await receipt.wait
        return found

    async def label(self, one: Label, source: str = "") -> None:
        """Say what was found out. Labels have a kind, and cannot be observed before the event."""
        label = labels.Label(
            transaction_id=one.transaction_id,
            label="confirmed" if one.fraud else "cleared",
            event_time=moment(0),
            observed_at=moment(one.observed_at),
            source=source or "somebody",
        )
        await self.ledger.add_labels([label], by="ann", key="", body=b"")

    async def replay(self, events: Iterable[Any]) -> list[dict[str, Value]]:
        """The features of the transactions among them."""
        found = []
        for event in events:
            if isinstance(event, Transaction):
                answer = await self.answer(event)
                found.append(dict(answer.values))
            elif isinstance(event, Label):
                await self.label(event)
        return found


@asynccontextmanager
async def service(
    path: Path, declared: Sequence[Any], *, most_entities: int = 1_000
) -> AsyncIterator[Service]:
    """One, that has counted what there was."""
    data = DataFile(path)
    features = EmbeddedFeatures(layout(declared), data, most_entities=most_entities)
    await features.start()
    yield Service(data, features)
    await features.aclose()
    await data.aclose()
