"""Erasing a person: nothing personal is left anywhere, and every chain verifies."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fraud_scorer.ledger import lists, lookups, old_records
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import verify
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.erasure import Erased, erase
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import (
    SHIPPING,
    Connection,
    answered,
    personal,
    ship,
    shipper,
    steps_until,
    writer,
)

from .test_archive import NOWHERE

SECRET = "c-forget-me"


def record(spool: Spool, first: int, count: int = 40) -> None:
    """Every other one is of the person."""
    one = writer(spool)
    for number in range(first, first + count):
        one.record(answered(number), personal(number, SECRET if number % 2 else None))
    one.close()


def forget(connection: Connection) -> Erased:
    return erase(connection, "customer", SECRET, subject_kind="customer", principal="dpo")


def test_it_is_gone_and_the_chains_verify(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    record(spool, 0)
    ship(spool, ledger, archive, signer)
    lookups.history(connection, SECRET, principal="ann")
    assert verify(ledger, archive, verifier).clean
    done = forget(connection)
    assert (done.transactions, done.key_deleted) == (20, True)
    verdict = verify(ledger, archive, verifier)
    assert (verdict.findings, verdict.erased) == ([], 20)
    known = lookups.transaction(connection, "tx-1", principal="ann")
    assert known.answers[0].personal is None
    old = old_records.transaction(
        connection, archive, verifier, "tx-1", around=datetime.now(UTC), principal="ann"
    )
    assert old[0].personal is None
    others = lookups.transaction(connection, "tx-2", principal="ann")
    assert others.answers[0].personal is not None
    assert lookups.history(connection, SECRET, principal="ann") == []


def test_it_is_in_no_row_and_in_no_file(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    tmp_path: Path,
) -> None:
    record(spool, 0)
    ship(spool, ledger, archive, signer)
    lookups.history(connection, SECRET, principal="ann")
    connection.execute(
        "INSERT INTO entity_attributes VALUES ('customer', %s, 'country', '1', now())", [SECRET]
    )
    word = lists.Word(list="deny", action="add", kind="customer", id=SECRET, reason="stolen")
    lists.say(connection, [word], by="ann")
    forget(connection)
    tables = ("audit", "transactions", "predictions", "access_log", "subject_keys", "erasures",
              "chains", "entity_attributes", "labels", "idempotency_keys",
              "list_entries")  # fmt: skip
    for table in tables:
        rows = connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall()
        assert not [row for (row,) in rows if SECRET in row], table
    for path in (tmp_path / "archive").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert SECRET.encode() not in data
            if path.suffix == ".gz":
                assert SECRET.encode() not in gzip.decompress(data)


def test_what_is_still_on_its_way_is_erased_when_it_arrives(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
    tmp_path: Path,
) -> None:
    """In a spool, and pending in the archive; what comes after the erasure is kept."""
    elsewhere = Spool(tmp_path / "elsewhere", 16 << 20)
    record(elsewhere, 0)
    ship(elsewhere, NOWHERE, archive, signer, replace(SHIPPING, last_patience=0.1))
    record(spool, 100)
    forget(connection)
    record(spool, 200)
    sender = shipper(spool, ledger, archive, signer)
    steps_until(sender, "all", lambda: sender.shipped.recovered == 1 and not spool.chains())
    left = connection.execute(
        "SELECT transaction_id FROM transactions WHERE user_id = %s ORDER BY 1", [SECRET]
    ).fetchall()
    assert left == [(f"tx-{number}",) for number in range(201, 240, 2)]
    verdict = verify(ledger, archive, verifier)
    assert (verdict.findings, verdict.erased) == ([], 40)


def test_the_erasure_itself_is_recorded_and_sealed(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    record(spool, 0)
    ship(spool, ledger, archive, signer)
    done = forget(connection)
    sender = shipper(spool, ledger, archive, signer)
    steps_until(sender, "sealed", lambda: len(archive.sealed()) == 2)
    row = connection.execute("SELECT body FROM audit WHERE kind = 'acted'").fetchone()
    assert row is not None
    assert done.digest in row[0]
    assert SECRET not in row[0]
    connection.execute("DELETE FROM audit WHERE kind = 'acted'")
    assert not verify(ledger, archive, verifier).clean


def test_only_persons_are_erased(connection: Connection) -> None:
    with pytest.raises(ValueError, match="customer=ID"):
        erase(connection, "terminal", "t-1", subject_kind="customer", principal="a")


def test_a_scorer_cannot_erase(connection: Connection) -> None:
    connection.execute("SET ROLE fraudops_scorer_a")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        forget(connection)
