"""Indexes by kinds of entities: made beside those who write, and gone on with when broken off."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import psycopg
import pytest

from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.database import DatabaseError
from fraud_scorer.ledger.entity_indexes import index_entities
from fraud_scorer.ledger.roles import Roles
from tests.support.ledger import Connection

LONG = "k" * 60


def valid_indexes(connection: Connection) -> dict[str, int]:
    """The kinds whose index is whole, and of how many months."""
    rows = connection.execute(
        "SELECT i.relname, (SELECT count(*) FROM pg_inherits WHERE inhparent = i.oid)"
        " FROM pg_class i JOIN pg_index ON indexrelid = i.oid"
        " WHERE i.relkind = 'I' AND i.relname LIKE 'transactions\\_by\\_%' AND indisvalid"
    )
    return dict(rows.fetchall())


def test_an_index_for_each_kind_of_entity(connection: Connection) -> None:
    months = len(partitions.months(connection))
    for _ in range(2):
        index_entities(connection, Roles(), ["terminal", LONG])
    found = valid_indexes(connection)
    assert found.pop("transactions_by_terminal") == months
    assert list(found.values()) == [months]
    partitions.make(connection, [date(2031, 1, 1)])
    assert set(valid_indexes(connection).values()) == {months + 1}, "a month that comes has it too"
    with pytest.raises(DatabaseError, match="is no kind of entity"):
        index_entities(connection, Roles(), ["a'b"])


def test_an_index_is_made_beside_those_who_write(dsn: str, connection: Connection) -> None:
    month = f"transactions{partitions.month_of(datetime.now(UTC)):_%Y_%m}"
    add = (
        f"INSERT INTO {month} (recorded_at, transaction_id, chain, sequence)"
        " VALUES (now(), 'tx', gen_random_uuid(), 1)"
    ).encode()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as open_one:
        open_one.execute(add)
        with psycopg.connect(dsn, autocommit=True) as admin:
            going = pool.submit(index_entities, admin, Roles(), ["card"])
            _until_somebody_waits(connection)
            with psycopg.connect(dsn, autocommit=True) as writer:
                writer.execute("SET statement_timeout = '20s'")
                writer.execute(add)
            assert "transactions_by_card" not in valid_indexes(connection)
            open_one.rollback()
            going.result(timeout=60)
    assert "transactions_by_card" in valid_indexes(connection)


def test_an_index_that_was_broken_off_is_gone_on_with(connection: Connection) -> None:
    month = f"transactions{partitions.month_of(datetime.now(UTC)):_%Y_%m}"
    connection.execute(
        "CREATE INDEX transactions_by_card ON ONLY transactions"
        " ((entities->>'card'), \"timestamp\")"
    )
    connection.execute(
        f"CREATE INDEX {month}_by_card ON {month} ((entities->>'card'), \"timestamp\")".encode()
    )
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
        [f"{month}_by_card"],
    )
    index_entities(connection, Roles(), ["card"])
    assert valid_indexes(connection) == {"transactions_by_card": len(partitions.months(connection))}


def _until_somebody_waits(connection: Connection) -> None:
    for _ in range(600):
        row = connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()
        if row is not None:
            return
        time.sleep(0.05)
    raise AssertionError("nobody waits")
