"""Features read their histories out of the tables that records are shipped to."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from fraud_scorer.features.layout import layout
from fraud_scorer.features.postgres import Names, PostgresHistory
from fraud_scorer.ledger import labels
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entity_indexes import index_entities
from fraud_scorer.ledger.roles import Roles
from fraud_scorer.ledger.spool import Spool
from tests.support.histories import EVERYTHING
from tests.support.ledger import Connection, answered, personal, ship, writer

from .test_labels import label

NAMES = Names(entities={"customer": "user_id"})


async def test_they_are_there(
    spool: Spool, ledger: Database, dsn: str, connection: Connection
) -> None:
    happened = datetime(2026, 1, 5, 10, tzinfo=UTC)
    one = writer(spool)
    for number in range(20):
        entry = answered(number, at=datetime(2026, 1, 5, 10, 0, 1, tzinfo=UTC))
        one.record(entry, personal(number, "c-1" if number < 3 else None))
    one.close()
    ship(spool, ledger)
    labels.add(connection, [label(2)], by="risk")
    connection.execute(
        "INSERT INTO entity_attributes VALUES ('customer', 'c-1', 'country', '\"DE\"', now())"
    )
    with psycopg.connect(dsn, autocommit=True) as admin:
        index_entities(admin, Roles(), ["terminal"])
    history = PostgresHistory(ledger.conninfo, names=NAMES)
    await history.probe()
    time = int(happened.timestamp() * 1e6)
    late = int(datetime.now(UTC).timestamp() * 1e6)
    try:
        for kind in layout(EVERYTHING).kinds:
            entity = {"customer": "c-1", "terminal": "t-1"}.get(kind.kind, "x-1")
            read = await history.read(kind, entity, time=time, now=late, excluding=())
            sums = [
                found
                for table, found in zip(kind.tables, read.tables, strict=True)
                if table.shape == "sums"
            ]
            if kind.kind in ("customer", "terminal"):
                assert any(sums), kind.kind
    finally:
        await history.aclose()
