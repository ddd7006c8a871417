"""Partitions: made ahead, and dropped once their month is old and in the archive."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from fraud_scorer.ledger import old_records, partitions
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import verify
from fraud_scorer.ledger.audit.findings import Finding, Kind
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.retention import Retired, retire
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.ledger.storage import room
from tests.support.ledger import Connection, count, recorded, ship, write, writer

OLD = datetime(2025, 1, 31, 23, tzinfo=UTC)
NEXT = datetime(2025, 2, 1, 1, tzinfo=UTC)
HOT = timedelta(days=90)
LATER = datetime(2025, 5, 10, tzinfo=UTC)
"""When January is older than ninety days and February is not."""


def record(spool: Spool) -> None:
    """A chain that goes over the end of a month."""
    one = writer(spool)
    write(one, range(100), at=OLD)
    write(one, range(100, 200), at=NEXT)
    one.close()


def january(connection: Connection, table: str) -> bool:
    """Whether readers see that month of a table."""
    return date(2025, 1, 1) in partitions.months(connection, table, going=False)


def wrong_rows(ledger: Database, archive: Archive, verifier: Verifier) -> list[Finding]:
    """What verification finds besides entries: the beginning of the test's chain is of today, so
    that January lies in the middle of it."""
    findings = verify(ledger, archive, verifier).findings
    return [one for one in findings if one.where != "Postgres, audit"]


def test_months_are_counted(connection: Connection) -> None:
    ahead = partitions.months_ahead(datetime(2026, 11, 30, tzinfo=UTC))
    assert ahead == [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
    assert partitions.month_of(datetime.fromisoformat("2026-11-01T00:30:00+01:00")) == date(
        2026, 10, 1
    )
    made = partitions.months(connection)
    assert made[: partitions.AHEAD + 1] == partitions.months_ahead(datetime.now(UTC))


def test_several_make_the_same_month(dsn: str, connection: Connection) -> None:
    start = threading.Barrier(4)

    def one(_: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as other:
            start.wait()
            partitions.make(other, [date(2031, month, 1) for month in (1, 2, 3)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert partitions.months(connection)[-3:] == [date(2031, month, 1) for month in (1, 2, 3)]


def test_a_partition_has_all_indexes(connection: Connection) -> None:
    partitions.make(connection, [date(2031, 1, 1)])
    rows = connection.execute(
        "SELECT tablename, count(*) FROM pg_indexes WHERE tablename LIKE '%_2031_01' GROUP BY 1"
    )
    assert dict(rows.fetchall()) == {
        "audit_2031_01": 1, "transactions_2031_01": 3, "predictions_2031_01": 4,
        "access_log_2031_01": 1,
    }  # fmt: skip


def test_an_old_month_goes_and_everything_verifies(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    record(spool)
    ship(spool, ledger, archive, signer)
    done = retire(connection, archive, verifier, hot=HOT, now=LATER)
    assert done == Retired((date(2025, 1, 1),), ())
    assert partitions.months(connection)[0] == date(2025, 2, 1)
    assert count(connection, "transactions") == 100
    old = old_records.transaction(
        connection, archive, verifier, "tx-7",
        around=datetime.now(UTC), principal="ann", within=timedelta(days=3650),
    )  # fmt: skip
    assert len(old) == 1
    assert old[0].personal is not None


def test_a_month_that_is_not_in_the_archive_stays(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    verifier: Verifier,
) -> None:
    record(spool)
    ship(spool, ledger)  # without an archive
    done = retire(connection, archive, verifier, hot=HOT, now=LATER)
    assert done.dropped == ()
    assert done.kept[0].month == date(2025, 1, 1)
    assert "no seal for" in done.kept[0].reason
    assert count(connection, "transactions") == 200


def test_who_reads_is_not_held_up(
    spool: Spool,
    ledger: Database,
    dsn: str,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    record(spool)
    ship(spool, ledger, archive, signer)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM transactions")  # a long transaction
        going = pool.submit(retire, connection, archive, verifier, hot=HOT, now=LATER)
        with psycopg.connect(dsn) as other:
            other.execute("SET statement_timeout = '20s'")
            assert other.execute("SELECT count(*) FROM predictions").fetchone() is not None
        assert not going.done()
        reader.rollback()
        assert going.result(timeout=60).dropped == (date(2025, 1, 1),)


def test_a_month_that_is_going_verifies(
    spool: Spool,
    ledger: Database,
    dsn: str,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    """Its partitions go one after the other, each once nobody reads it."""
    record(spool)
    ship(spool, ledger, archive, signer)
    assert wrong_rows(ledger, archive, verifier) == []
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        readers = {
            table: stack.enter_context(psycopg.connect(dsn))
            for table in ("predictions", "transactions", "audit")
        }
        looking = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        connection.execute("SET statement_timeout = '20s'")
        for table, reader in readers.items():
            reader.execute(f"SELECT count(*) FROM {table}_2025_01".encode())
        going = pool.submit(retire, connection, archive, verifier, hot=HOT, now=LATER)
        for table, reader in readers.items():
            while january(looking, table):
                assert not going.done()
            assert wrong_rows(ledger, archive, verifier) == []
            reader.rollback()
        assert going.result(timeout=60).dropped == (date(2025, 1, 1),)
    assert wrong_rows(ledger, archive, verifier) == []


def test_a_month_that_went_in_part_is_finished(
    spool: Spool,
    ledger: Database,
    dsn: str,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    record(spool)
    ship(spool, ledger, archive, signer)
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM transactions_2025_01")
        connection.execute("SET statement_timeout = '1s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            retire(connection, archive, verifier, hot=HOT, now=LATER)
        connection.execute("RESET statement_timeout")
        assert wrong_rows(ledger, archive, verifier) == []
    done = retire(connection, archive, verifier, hot=HOT, now=LATER)
    assert done == Retired((date(2025, 1, 1),), ())
    for table in partitions.PARTITIONED:
        assert not january(connection, table)


def test_room_is_told_by_what_a_day_takes(
    spool: Spool, ledger: Database, connection: Connection
) -> None:
    one, now = writer(spool), datetime(2025, 3, 11, tzinfo=UTC)
    write(one, range(2000), at=datetime(2025, 2, 20, tzinfo=UTC))
    write(one, range(2000, 4000), at=datetime(2025, 3, 10, tzinfo=UTC))
    one.close()
    ship(spool, ledger)
    found = room(connection, hot=HOT, storage=1 << 30, now=now)
    (records,) = connection.execute(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c"
        " WHERE relname ~ '^(audit|transactions|predictions)_2025_0[23]$'"
    ).fetchone() or (0,)
    assert found.a_day == records // 38  # all of February, and ten days
    assert found.needed > found.a_day * 90
    assert found.enough
    assert not room(connection, hot=HOT, storage=found.needed, now=now).enough
    assert not room(connection, hot=timedelta(days=1), storage=found.used, now=now).enough


def test_rows_that_were_removed_do_not_pass_for_retired(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    """Their month is still there, so they must be."""
    recorded(spool, range(100))
    ship(spool, ledger, archive, signer)
    for table in ("audit", "predictions", "transactions"):
        connection.execute(f"DELETE FROM {table} WHERE sequence < 50".encode())
    (finding,) = verify(ledger, archive, verifier).findings
    assert finding.kind == Kind.REMOVED
    assert "Postgres keeps everything since" in finding.message
