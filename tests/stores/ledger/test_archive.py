"""The archive: sealed segments, what waits there while Postgres is away, and who finds it again."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import AccessDenied, StoreUnreachable
from fraud_scorer.ledger import archive as archives
from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.audit import verify
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer, Verifier, unverified
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import (
    RECORDING,
    SHIPPING,
    Connection,
    count,
    recorded,
    ship,
    shipper,
    steps_until,
    write,
    writer,
)

NOWHERE = Database("host=/nonexistent dbname=none", name="test", patience=1)


@pytest.fixture(params=["archive", "s3_archive", "locked_archive"])
def any_archive(request: pytest.FixtureRequest) -> Archive:
    """Of each kind."""
    found: Archive = request.getfixturevalue(request.param)
    return found


def test_under_object_lock_nobody_deletes_what_is_archived(
    spool: Spool, ledger: Database, locked_archive: Archive, signer: Signer
) -> None:
    recorded(spool, range(50))
    ship(spool, ledger, locked_archive, signer)
    store = locked_archive.store
    assert isinstance(store, S3Store)
    found = [each.path for each in store.list_files("")]
    assert sorted({path.partition("/")[0] for path in found}) == ["personal", "segments"]
    assert len(found) == 3
    for path in found:
        with pytest.raises(AccessDenied):
            store.delete(path)
    store.create("pending/x/00000000.seg.gz", b"waits")
    store.delete("pending/x/00000000.seg.gz")


def test_a_bucket_without_a_lock_is_told_of_once(
    spool: Spool, ledger: Database, s3_archive: Archive, signer: Signer,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for number in (0, 1):
        recorded(spool, range(number, number + 1))
    archive = s3_archive.keeping(lambda: timedelta(days=2555))
    ship(spool, ledger, archive, signer)
    assert len(archive.sealed()) == 2
    assert caplog.text.count("no Object Lock") == 1


def test_a_chain_is_sealed_whole(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    any_archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    recorded(spool, range(4000))
    done = ship(spool, ledger, any_archive, signer)
    names = any_archive.sealed()
    assert names == any_archive.whole()
    assert len(names) == done.shipped.sealed == 3
    seals = [verifier.read(any_archive.seal(name)) for name in names]
    assert sum(seal.count for seal in seals) == 4002
    assert [seal.final for seal in seals] == [False, False, True]
    assert [seal.place for seal in seals] == [0, 1, 2]
    bodies = [
        line.body.decode()
        for name in names
        for line in archives.from_lines(any_archive.segment(name))
    ]
    rows = connection.execute("SELECT body FROM audit ORDER BY sequence").fetchall()
    assert [(body,) for body in bodies] == rows
    assert any_archive.all_pending() == []


def test_nothing_personal_is_in_a_sealed_segment(
    spool: Spool, ledger: Database, archive: Archive, signer: Signer
) -> None:
    recorded(spool, range(200))
    ship(spool, ledger, archive, signer)
    (name,) = archive.sealed()
    for data in (archive.segment(name), archive.personal(name), archive.seal(name)):
        assert b"customer" not in data
        assert b'"c-1"' not in data
        assert b"terminal" not in data


def test_what_postgres_cannot_take_at_the_end_waits_in_the_archive(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    any_archive: Archive,
    signer: Signer,
    verifier: Verifier,
    tmp_path: Path,
) -> None:
    """A pod that goes while Postgres is away loses nothing; another pod delivers it."""
    recorded(spool, range(3000))
    done = ship(spool, NOWHERE, any_archive, signer, replace(SHIPPING, last_patience=0.1))
    assert done.shipped.spilled == len(any_archive.all_pending()) == 2
    assert spool.chains() == []
    assert verify(ledger, any_archive, verifier).findings == []

    other = shipper(Spool(tmp_path / "other", 16 << 20), ledger, any_archive, signer)
    steps_until(other, "recovered", lambda: other.shipped.recovered == 2)
    assert count(connection, "transactions") == 3000
    assert count(connection, "audit") == 3002
    assert any_archive.all_pending() == []
    verdict = verify(ledger, any_archive, verifier)
    assert (verdict.findings, verdict.entries) == ([], 3002)


def test_a_running_pod_spills_while_postgres_is_away_and_goes_on_in_order(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    one = writer(spool)
    write(one, range(1000))
    first = shipper(spool, ledger, archive, signer)
    steps_until(first, "1000", lambda: count(connection, "transactions") == 1000)
    away = replace(SHIPPING, spill_after=0.0)
    sender = shipper(spool, NOWHERE, archive, signer, away)
    write(one, range(1000, 5000))
    steps_until(sender, "spilled", lambda: sender.shipped.spilled >= 2)
    write(one, range(5000, 6000))
    back = shipper(spool, ledger, archive, signer)
    steps_until(back, "all", lambda: count(connection, "transactions") == 6000)
    one.close()
    ship(spool, ledger, archive, signer)
    assert count(connection, "audit") == 6002
    verdict = verify(ledger, archive, verifier)
    assert (verdict.findings, verdict.pending) == ([], 0)


def test_a_full_spool_is_relieved_by_the_archive(
    tmp_path: Path, archive: Archive, signer: Signer
) -> None:
    """With Postgres away for good, recording goes on."""
    spool = Spool(tmp_path / "spool", 4 << 20)
    one = writer(spool, replace(RECORDING, when_full="block"))
    sender = shipper(spool, NOWHERE, archive, signer, replace(SHIPPING, spill_after=3600.0))
    for first in range(0, 12_000, 500):
        write(one, range(first, first + 500))
        sender.step()
    assert one.missed == 0
    assert sender.shipped.spilled > 4
    one.close()


def test_neither_postgres_nor_archive(spool: Spool, tmp_path: Path, signer: Signer) -> None:
    """What nobody takes stays in the spool, and the exit code says so."""
    away = Archive(DirectoryStore(tmp_path / "away"))
    (tmp_path / "away").write_text("not a folder")
    chain = recorded(spool, range(100))
    stop = threading.Event()
    stop.set()
    patience = replace(SHIPPING, grace=0.5, last_patience=0.1)
    assert not shipper(spool, NOWHERE, away, signer, patience).run(stop)
    assert spool.chains() == [chain]


def test_an_archive_that_is_away_holds_up_no_delivery(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise StoreUnreachable("no answer")

    one = writer(spool)
    sender = shipper(spool, ledger, archive, signer)
    with monkeypatch.context() as patched:
        patched.setattr(DirectoryStore, "create", away)
        write(one, range(3000))
        steps_until(sender, "delivered", lambda: count(connection, "transactions") == 3000)
        assert spool.usage() > 2 << 20
    steps_until(sender, "archived", lambda: len(archive.sealed()) == 1)
    one.close()
    ship(spool, ledger, archive, signer)
    assert len(archive.sealed()) == 2


@pytest.mark.parametrize("step", ["put_personal", "put_segment", "put_seal"])
def test_a_crash_while_archiving_is_made_good(
    spool: Spool,
    ledger: Database,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Right after that file was written, and before anybody noted it."""
    real = getattr(Archive, step)

    def crash(*arguments: object) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    recorded(spool, range(3000))
    with monkeypatch.context() as patched:
        patched.setattr(Archive, step, crash)
        with pytest.raises(KeyboardInterrupt):
            ship(spool, ledger, archive, signer)
    ship(spool, ledger, archive, signer)
    seals = [unverified(archive.seal(name)) for name in archive.sealed()]
    assert [(seal.number, seal.place) for seal in seals] == [(0, 0), (1, 1)]
    assert verify(ledger, archive, verifier).findings == []


def test_a_pending_segment_that_was_changed_is_not_delivered(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain = recorded(spool, range(50))
    ship(spool, NOWHERE, archive, signer, replace(SHIPPING, last_patience=0.1))
    (name,) = archive.all_pending()
    path = next((tmp_path / "archive" / "pending").rglob("*.gz"))
    _, frames = archive.pending(name)
    whole = archive._unpacked(f"pending/{name.chain}/{name.number:08d}.seg.gz")
    path.write_bytes(archives._packed(whole.replace(b"tx-30", b"tx-99")))
    assert frames
    other = shipper(Spool(tmp_path / "other", 16 << 20), ledger, archive, signer)
    other.step()
    assert count(connection, "transactions") == 0
    assert "cannot be delivered" in caplog.text
    assert archive.all_pending() == [SegmentName(chain, 0)]
