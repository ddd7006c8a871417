"""What the ledger writes of transactions, labels and attributes, as far as histories are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.offline import Event
from fraud_scorer.features.postgres import Names

SCHEMA = """
CREATE TABLE transactions (
    recorded_at timestamptz NOT NULL DEFAULT now(), transaction_id text NOT NULL, user_id text,
    "timestamp" timestamptz, amount_minor bigint, currency text, entities jsonb);
CREATE TABLE labels (
    transaction_id text NOT NULL, label text NOT NULL, observed_at timestamptz NOT NULL);
CREATE TABLE entity_attributes (
    entity_kind text NOT NULL, entity_id text NOT NULL, name text NOT NULL, value jsonb NOT NULL,
    observed_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL DEFAULT clock_timestamp());
"""
NAMES = Names(entities={"customer": "user_id"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Records:
    """A connection that writes them."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        self._connection = connection

    @classmethod
    async def make(cls, dsn: str) -> Records:
        """The tables, in an empty database."""
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        await connection.execute(SCHEMA.encode())
        for kind in ("customer", "terminal"):
            await connection.execute(NAMES.index(kind).encode())
        return cls(connection)

    async def add(self, *events: Event) -> None:
        """Record them."""
        transactions = [
            (
                one.id, one.entities.get("customer"), _datetime(one.time), one.amount_minor,
                one.currency, msgspec.json.encode(one.entities).decode(),
            )
            for one in events
            if isinstance(one, Transaction)
        ]  # fmt: skip
        labels = [
            (
                one.transaction_id,
                "chargeback" if one.fraud else "cleared",
                _datetime(one.observed_at),
            )
            for one in events
            if isinstance(one, Label)
        ]
        attributes = [
            (one.entity, one.id, one.name, msgspec.json.encode(one.value).decode(),
             _datetime(one.observed_at))
            for one in events
            if isinstance(one, Attribute)
        ]  # fmt: skip
        async with psycopg.AsyncRawCursor(self._connection) as cursor:
            await cursor.executemany(
                "INSERT INTO transactions VALUES ($3, $1, $2, $3, $4, $5, $6)", transactions
            )
            await cursor.executemany("INSERT INTO labels VALUES ($1, $2, $3)", labels)
            await cursor.executemany(
                "INSERT INTO entity_attributes VALUES ($1, $2, $3, $4, $5)", attributes
            )

    async def aclose(self) -> None:
        await self._connection.close()


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
