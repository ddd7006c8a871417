"""Every kind of tampering is found, told apart, and nothing is found where nobody tampered."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.audit import Verdict, archived, verify
from fraud_scorer.ledger.audit.archived import Archived
from fraud_scorer.ledger.audit.findings import Kind
from fraud_scorer.ledger.chain import link, origin
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer, Verifier, unverified
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, ship, shipper, steps_until, write, writer

Check = Callable[[], Verdict]


@pytest.fixture
def chains(spool: Spool, ledger: Database, archive: Archive, signer: Signer) -> list[UUID]:
    """Three chains in Postgres and in the archive; the first has two segments."""
    first, second, third = writer(spool), writer(spool), writer(spool)
    write(first, range(2500))
    write(second, range(10_000, 10_050))
    write(third, range(20_000, 20_050))
    for one in (first, second, third):
        one.close()
    ship(spool, ledger, archive, signer)
    return [first.chain, second.chain, third.chain]


@pytest.fixture
def check(ledger: Database, archive: Archive, verifier: Verifier) -> Check:
    """Verify everything."""
    return lambda: verify(ledger, archive, verifier)


def said(verdict: Verdict) -> list[tuple[Kind, str, int]]:
    return [(one.kind, one.where, one.sequence) for one in verdict.findings]


def test_nothing_is_wrong(chains: list[UUID], check: Check) -> None:
    verdict = check()
    assert verdict.clean
    assert (verdict.chains, verdict.entries, verdict.segments) == (3, 2606, 4)


AUDIT, PREDICTIONS, TRANSACTIONS = (
    "Postgres, audit", "Postgres, predictions", "Postgres, transactions",
)  # fmt: skip
PLACE = "chain = %(chain)s AND sequence = %(at)s"


class TestPostgres:
    """Whoever may write to Postgres."""

    @pytest.mark.parametrize(
        ("statements", "findings"),
        [
            (
                [f"UPDATE audit SET body = replace(body, '\"score\":0.', '\"score\":0.9')"
                 f" WHERE {PLACE}"],
                {(Kind.CHANGED, AUDIT, 20), (Kind.CHANGED, PREDICTIONS, 20)},
            ),
            ([f"UPDATE audit SET hash = sha256('x') WHERE {PLACE}"],
             {(Kind.CHANGED, AUDIT, 20), (Kind.CHANGED, AUDIT, 21)}),
            ([f"UPDATE audit SET kind = 'acted' WHERE {PLACE}"], {(Kind.CHANGED, AUDIT, 20)}),
            ([f"UPDATE audit SET recorded_at = recorded_at - interval '1 second' WHERE {PLACE}"],
             {(Kind.CHANGED, AUDIT, 20)}),
            ([f"UPDATE predictions SET fraud_score = 0.001 WHERE {PLACE}"],
             {(Kind.CHANGED, PREDICTIONS, 20)}),
            ([f"UPDATE predictions SET decision = 'decline' WHERE {PLACE}"],
             {(Kind.CHANGED, PREDICTIONS, 20)}),
            ([f"DELETE FROM predictions WHERE {PLACE}"], {(Kind.REMOVED, PREDICTIONS, 20)}),
            (["INSERT INTO predictions SELECT * FROM predictions"
              f" WHERE {PLACE}"], {(Kind.ADDED, PREDICTIONS, 20)}),
            ([f"UPDATE transactions SET amount_minor = 1 WHERE {PLACE}"],
             {(Kind.CHANGED, TRANSACTIONS, 20)}),
            ([f"UPDATE transactions SET user_id = NULL WHERE {PLACE}"],
             {(Kind.CHANGED, TRANSACTIONS, 20)}),
            ([f"UPDATE transactions SET user_id = entities->>'terminal' WHERE {PLACE}"],
             {(Kind.CHANGED, TRANSACTIONS, 20)}),
            ([f"UPDATE transactions SET user_id = 'c-other' WHERE {PLACE}"],
             {(Kind.CHANGED, TRANSACTIONS, 20)}),
            ([f"UPDATE transactions SET personal = replace(personal, 'app', 'web') WHERE {PLACE}"],
             {(Kind.CHANGED, TRANSACTIONS, 20)}),
            ([f"DELETE FROM transactions WHERE {PLACE}"], {(Kind.REMOVED, TRANSACTIONS, 20)}),
            (
                ["UPDATE transactions SET user_id = NULL, timestamp = NULL, amount_minor = NULL,"
                 " currency = NULL, entities = NULL, personal = NULL, salt = NULL"
                 f" WHERE {PLACE}"],
                {(Kind.CHANGED, TRANSACTIONS, 20)},
            ),
            (
                [f"DELETE FROM audit WHERE {PLACE}", f"DELETE FROM predictions WHERE {PLACE}",
                 f"DELETE FROM transactions WHERE {PLACE}"],
                {(Kind.REMOVED, AUDIT, 20)},
            ),
            ([f"DELETE FROM audit WHERE {PLACE}"],
             {(Kind.REMOVED, AUDIT, 20), (Kind.ADDED, PREDICTIONS, 20),
              (Kind.ADDED, TRANSACTIONS, 20)}),
            (
                [f"DELETE FROM {table} WHERE chain = %(chain)s AND sequence > 40"
                 for table in ("audit", "predictions", "transactions")],
                {(Kind.TRUNCATED, AUDIT, 41)},
            ),
            (
                [f"DELETE FROM {table} WHERE chain = %(chain)s AND sequence < 10"
                 for table in ("audit", "predictions", "transactions")],
                {(Kind.REMOVED, AUDIT, 0)},
            ),
            (
                [f"UPDATE {table} SET sequence = CASE sequence WHEN 20 THEN 30 ELSE 20 END"
                 " WHERE chain = %(chain)s AND sequence IN (20, 30)"
                 for table in ("predictions", "transactions")]
                + ["UPDATE audit SET sequence = -1 WHERE chain = %(chain)s AND sequence = 20",
                   "UPDATE audit SET sequence = 20 WHERE chain = %(chain)s AND sequence = 30",
                   "UPDATE audit SET sequence = 30 WHERE chain = %(chain)s AND sequence = -1"],
                {(Kind.REORDERED, AUDIT, at) for at in (20, 21, 30, 31)},
            ),
            (["DELETE FROM audit WHERE chain = %(chain)s",
              "DELETE FROM predictions WHERE chain = %(chain)s",
              "DELETE FROM transactions WHERE chain = %(chain)s"],
             {(Kind.MISSING_CHAIN, AUDIT, -1)}),
            (["DELETE FROM audit WHERE chain = %(chain)s",
              "DELETE FROM predictions WHERE chain = %(chain)s",
              "DELETE FROM transactions WHERE chain = %(chain)s",
              "DELETE FROM chains WHERE chain = %(chain)s"],
             {(Kind.MISSING_CHAIN, "Postgres, chains", -1)}),
        ],
    )  # fmt: skip
    def test_it_is_found(
        self,
        chains: list[UUID],
        connection: Connection,
        check: Check,
        statements: list[str],
        findings: set[tuple[Kind, str, int]],
    ) -> None:
        for statement in statements:
            done = connection.execute(statement.encode(), {"chain": chains[1], "at": 20})
            assert done.rowcount
        verdict = check()
        assert set(said(verdict)) == findings
        assert {one.chain for one in verdict.findings} == {chains[1]}

    def test_a_tail_that_was_cut_with_the_high_water_mark(
        self, chains: list[UUID], connection: Connection, check: Check
    ) -> None:
        for table in ("audit", "predictions", "transactions"):
            connection.execute(
                f"DELETE FROM {table} WHERE chain = %s AND sequence > 40".encode(), [chains[1]]
            )
        connection.execute(
            "UPDATE chains SET delivered = 41, hash = (SELECT hash FROM audit WHERE"
            " audit.chain = chains.chain AND sequence = 40) WHERE chain = %s",
            [chains[1]],
        )
        assert said(check()) == [(Kind.TRUNCATED, AUDIT, 41)]

    def test_a_chain_that_was_written_anew(
        self, chains: list[UUID], connection: Connection, check: Check, ledger: Database
    ) -> None:
        """With every hash computed again, Postgres alone is consistent; the seals say otherwise."""
        rows = connection.execute(
            "SELECT sequence, body FROM audit WHERE chain = %s ORDER BY sequence", [chains[1]]
        ).fetchall()
        previous = origin(chains[1])
        for sequence, body in rows:
            text = body.replace('"decision":"review"', '"decision":"approve"')
            previous = link(previous, text.encode())
            connection.execute(
                "UPDATE audit SET body = %s, hash = %s WHERE chain = %s AND sequence = %s",
                [text, previous, chains[1], sequence],
            )
        connection.execute(
            "UPDATE predictions SET decision = 'approve' WHERE chain = %s", [chains[1]]
        )
        connection.execute("UPDATE chains SET hash = %s WHERE chain = %s", [previous, chains[1]])
        assert verify(ledger, None, None).clean
        assert said(check()) == [(Kind.CHANGED, AUDIT, 51)]


class TestArchive:
    """Whoever may write to the object store."""

    @pytest.fixture
    def file(self, tmp_path: Path, chains: list[UUID]) -> Path:
        """The second chain's only segment."""
        return tmp_path / "archive" / "segments" / str(chains[1]) / "00000000.jsonl.gz"

    def rewrite(self, file: Path, change: Callable[[list[bytes]], object]) -> None:
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        change(lines)
        file.write_bytes(gzip.compress(b"".join(lines)))

    def test_changed(self, file: Path, check: Check) -> None:
        def change(lines: list[bytes]) -> None:
            lines[20] = lines[20].replace(b"tx-", b"ty-")

        self.rewrite(file, change)
        assert said(check()) == [(Kind.CHANGED, "archive, segment 0", 20)]

    def test_removed(self, file: Path, check: Check) -> None:
        self.rewrite(file, lambda lines: lines.pop(20))
        assert said(check()) == [(Kind.REMOVED, "archive, segment 0", 20)]

    def test_truncated(self, file: Path, check: Check) -> None:
        self.rewrite(file, lambda lines: lines.pop())
        assert said(check()) == [(Kind.TRUNCATED, "archive, segment 0", 51)]

    def test_reordered(self, file: Path, check: Check) -> None:
        def swap(lines: list[bytes]) -> None:
            lines[20], lines[30] = lines[30], lines[20]

        self.rewrite(file, swap)
        found = said(check())
        assert (Kind.REORDERED, "archive, segment 0", 20) in found
        assert (Kind.REORDERED, "archive, segment 0", 30) in found

    def test_written_anew(self, file: Path, chains: list[UUID], check: Check) -> None:
        def anew(lines: list[bytes]) -> None:
            previous = origin(chains[1])
            for at, line in enumerate(lines):
                body = line.rstrip(b"\n").partition(b" ")[2].replace(b"review", b"accept")
                previous = link(previous, body)
                lines[at] = previous.hex().encode() + b" " + body + b"\n"

        self.rewrite(file, anew)
        assert said(check()) == [(Kind.CHANGED, "archive, segment 0", 0)]

    def test_not_even_gzip(self, file: Path, check: Check) -> None:
        file.write_bytes(b"nonsense")
        assert said(check()) == [(Kind.CHANGED, "archive, segment 0", 0)]

    def test_a_segment_is_gone(self, file: Path, check: Check) -> None:
        file.unlink()
        assert said(check()) == [(Kind.MISSING_SEGMENT, "archive, segment 0", 0)]

    def test_a_segment_and_its_seal_are_gone(
        self, archive: Archive, tmp_path: Path, chains: list[UUID], check: Check
    ) -> None:
        folder = tmp_path / "archive" / "segments" / str(chains[0])
        for name in ("00000001.jsonl.gz", "00000001.seal"):
            (folder / name).unlink()
        kinds = {one.kind for one in check().findings}
        assert kinds == {Kind.MISSING_SEAL}

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_a_chain_is_gone_everywhere(
        self,
        tmp_path: Path,
        chains: list[UUID],
        connection: Connection,
        check: Check,
        which: int,
    ) -> None:
        """Not in Postgres, not in the archive: the other chains' seals still count it."""
        for table in ("audit", "predictions", "transactions", "chains"):
            connection.execute(f"DELETE FROM {table} WHERE chain = %s".encode(), [chains[which]])
        places = {}
        for name in (folder := tmp_path / "archive" / "segments" / str(chains[which])).iterdir():
            if name.suffix == ".seal":
                places[unverified(name.read_bytes()).place] = name
            name.unlink()
        folder.rmdir()
        last = max(
            unverified(path.read_bytes()).place
            for path in (tmp_path / "archive" / "segments").rglob("*.seal")
        )
        found = [one.kind for one in check().findings]
        # The newest seals of a log have none after them yet: those the next one will count.
        assert found == ([Kind.MISSING_SEAL] if min(places) < last else [])

    def test_a_forged_seal(
        self, archive: Archive, tmp_path: Path, chains: list[UUID], check: Check
    ) -> None:
        name = SegmentName(chains[1], 0)
        seal = unverified(archive.seal(name))
        path = tmp_path / "archive" / "segments" / str(chains[1]) / "00000000.seal"
        path.write_bytes(Signer(Ed25519PrivateKey.generate()).sign(seal))
        findings = check().findings
        assert findings[0].kind == Kind.BAD_SEAL
        assert "which was not given" in findings[0].message

    def test_an_edited_seal(self, tmp_path: Path, chains: list[UUID], check: Check) -> None:
        path = tmp_path / "archive" / "segments" / str(chains[1]) / "00000000.seal"
        path.write_bytes(path.read_bytes().replace(b'"count":52', b'"count":51'))
        findings = check().findings
        assert findings[0].kind == Kind.BAD_SEAL
        assert "it was changed" in findings[0].message

    def test_another_s_seal(self, tmp_path: Path, chains: list[UUID], check: Check) -> None:
        segments = tmp_path / "archive" / "segments"
        theirs = (segments / str(chains[2]) / "00000000.seal").read_bytes()
        (segments / str(chains[1]) / "00000000.seal").write_bytes(theirs)
        assert Kind.BAD_SEAL in {one.kind for one in check().findings}


def test_what_is_delivered_meanwhile_disturbs_nothing(
    spool: Spool, ledger: Database, archive: Archive, signer: Signer, check: Check
) -> None:
    for _ in range(5):
        one = writer(spool)
        write(one, range(300))
        assert check().clean
        one.close()
        ship(spool, ledger, archive, signer)
    assert check().entries == 5 * 302


def test_what_is_sealed_meanwhile_is_not_missed(
    spool: Spool,
    ledger: Database,
    archive: Archive,
    signer: Signer,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More of a chain is sealed after the archive was read, and before Postgres is."""
    going_on = writer(spool)
    write(going_on, range(2500))
    steps_until(shipper(spool, ledger, archive, signer), "some is sealed", archive.sealed)
    gather = archived.gather

    def gathered(*given: Any) -> Archived:
        found = gather(*given)
        write(going_on, range(2500, 5000))
        going_on.close()
        ship(spool, ledger, archive, signer)
        return found

    monkeypatch.setattr(archived, "gather", gathered)
    verdict = check()
    assert said(verdict) == []
    assert verdict.entries == 5002
