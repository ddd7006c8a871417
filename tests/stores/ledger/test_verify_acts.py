"""What people write is held to the acts that vouch for it: labels, lists, looks, erasures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fraud_scorer.ledger import acts, labels, lists, lookups
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import Verdict, verify
from fraud_scorer.ledger.audit.findings import Kind
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entries import Acted
from fraud_scorer.ledger.erasure import erase
from fraud_scorer.ledger.labels import Label
from fraud_scorer.ledger.lists import Word
from fraud_scorer.ledger.retention import retire
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import SHIPPING, Connection, recorded, ship, shipper, steps_until

from .test_archive import NOWHERE

Check = Callable[[], Verdict]

LABELS, LISTS, LOOKS = "Postgres, labels", "Postgres, list_entries", "Postgres, access_log"
TRANSACTIONS = "Postgres, transactions"
LATER = datetime.now(UTC) + timedelta(days=400)
EMPTY = (
    'UPDATE transactions SET user_id = NULL, "timestamp" = NULL, amount_minor = NULL,'
    " currency = NULL, entities = NULL, personal = NULL, salt = NULL WHERE transaction_id = %s"
)


def label(number: int) -> Label:
    return Label(
        transaction_id=f"tx-{number}",
        label="chargeback",
        event_time=datetime(2026, 1, 5, tzinfo=UTC),
        observed_at=datetime(2026, 2, 5, tzinfo=UTC),
        source="visa",
    )


def word(customer: str) -> Word:
    return Word(list="deny", action="add", kind="customer", id=customer, reason="stolen")


def forget(connection: Connection, customer: str) -> None:
    erase(connection, "customer", customer, subject_kind="customer", principal="dpo")


@pytest.fixture
def check(ledger: Database, archive: Archive, verifier: Verifier) -> Check:
    """Verify everything."""
    return lambda: verify(ledger, archive, verifier)


@pytest.fixture
def written(
    spool: Spool, ledger: Database, connection: Connection, archive: Archive, signer: Signer,
    check: Check,
) -> Connection:  # fmt: skip
    """Answers, and everything that people write."""
    recorded(spool, range(70))
    ship(spool, ledger, archive, signer)
    labels.add(connection, [label(10), label(11), label(12)], by="risk")
    lists.say(connection, [word("c-1"), word("c-2")], by="ann")
    lookups.transaction(connection, "tx-10", principal="ann")
    lookups.history(connection, "c-3", principal="bob")
    forget(connection, "c-2")
    forget(connection, "c-3")
    assert check().findings == []
    return connection


def found(verdict: Verdict) -> set[tuple[Kind, str]]:
    return {(one.kind, one.where) for one in verdict.findings}


@pytest.mark.parametrize(
    ("statements", "finding"),
    [
        (["UPDATE labels SET label = 'cleared' WHERE transaction_id = 'tx-10'"],
         (Kind.CHANGED, LABELS)),
        (["UPDATE labels SET added_by = 'nobody'"], (Kind.CHANGED, LABELS)),
        (["UPDATE labels SET observed_at = observed_at - interval '1 day'"],
         (Kind.CHANGED, LABELS)),
        (["DELETE FROM labels WHERE transaction_id = 'tx-11'"], (Kind.REMOVED, LABELS)),
        (["DELETE FROM labels"], (Kind.REMOVED, LABELS)),
        (["INSERT INTO labels VALUES ('tx-9', 'cleared', now(), now(), 'x', 'x')"],
         (Kind.ADDED, LABELS)),
        (["INSERT INTO labels SELECT 'tx-9', label, event_time, observed_at, source, added_by,"
          " added_at, chain, sequence FROM labels LIMIT 1"], (Kind.ADDED, LABELS)),
        (["UPDATE list_entries SET reason = 'a friend'"], (Kind.CHANGED, LISTS)),
        (["UPDATE list_entries SET entity_id = 'c-5'"], (Kind.CHANGED, LISTS)),
        (["DELETE FROM list_entries"], (Kind.REMOVED, LISTS)),
        (["INSERT INTO list_entries (list, action, entity_kind, entity_id, reason, said_by)"
          " VALUES ('allow', 'add', 'customer', 'c-9', 'a friend', 'ann')"], (Kind.ADDED, LISTS)),
        (["UPDATE access_log SET principal = 'nobody'"], (Kind.CHANGED, LOOKS)),
        (["UPDATE access_log SET about = 'tx-11' WHERE about = 'tx-10'"], (Kind.CHANGED, LOOKS)),
        (["UPDATE access_log SET found = 0"], (Kind.CHANGED, LOOKS)),
        (["DELETE FROM access_log WHERE about = 'tx-10'"], (Kind.REMOVED, LOOKS)),
        (["INSERT INTO access_log (principal, action, about, found)"
          " VALUES ('ann', 'history', 'c-1', 1)"], (Kind.ADDED, LOOKS)),
        (["INSERT INTO access_log SELECT * FROM access_log"], (Kind.ADDED, LOOKS)),
        (["DELETE FROM erasures"], (Kind.REMOVED, "Postgres, erasures")),
        (["INSERT INTO erasures VALUES (sha256('x'))"], (Kind.ADDED, "Postgres, erasures")),
    ],
)  # fmt: skip
def test_it_is_found(
    written: Connection, check: Check, statements: list[str], finding: tuple[Kind, str]
) -> None:
    for table in ("labels", "list_entries"):
        written.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())
    for statement in statements:
        assert written.execute(statement.encode()).rowcount
    assert finding in found(check())
    assert {where for _, where in found(check())} == {finding[1]}


def test_a_scorer_may_verify(written: Connection, scorer: Database) -> None:
    assert verify(scorer, None, None).findings == []


def test_a_look_that_is_hidden_as_if_its_person_was_erased(
    written: Connection, check: Check
) -> None:
    written.execute(
        "UPDATE access_log SET about = %s WHERE about = 'tx-10'",
        [f"erased {lookups.looked_at('tx-10')}"],
    )
    assert found(check()) == {(Kind.CHANGED, LOOKS)}


def test_a_word_in_the_name_of_an_act_that_vouches_for_none(
    written: Connection, check: Check
) -> None:
    """As of a release before, whose acts have no digest of rows."""
    place = acts.record(written, Acted(datetime.now(UTC), "list.allow.add", "ann", "00"))
    assert check().findings == []
    written.execute(
        "INSERT INTO list_entries (list, action, entity_kind, entity_id, reason, said_by, chain,"
        " sequence) VALUES ('allow', 'add', 'customer', 'c-9', 'a friend', 'ann', %s, %s)",
        place,
    )
    assert found(check()) == {(Kind.ADDED, LISTS)}


def test_rows_that_are_emptied_as_if_their_person_was_erased(
    written: Connection, check: Check
) -> None:
    """Others were erased in that month."""
    assert written.execute(EMPTY, ["tx-1"]).rowcount
    month = f"{datetime.now(UTC):%Y-%m}"
    (one,) = check().findings
    assert (one.kind, one.where) == (Kind.CHANGED, f"{TRANSACTIONS} of {month}")
    assert "21 rows are emptied, and they are not the 20 that" in one.message
    assert str(one).startswith(f"Changed: {TRANSACTIONS} of {month}: 21 rows")


def test_another_row_in_the_place_of_one_that_was_erased(written: Connection, check: Check) -> None:
    """As many rows are empty as were erased, but not those."""
    written.execute(
        "UPDATE transactions AS gone SET (user_id, \"timestamp\", amount_minor, currency, entities,"
        " personal, salt) = (SELECT user_id, \"timestamp\", amount_minor, currency, entities,"
        " personal, salt FROM transactions WHERE transaction_id = 'tx-1')"
        " WHERE gone.transaction_id = 'tx-2'"
    )  # fmt: skip
    written.execute(EMPTY, ["tx-1"])
    assert (Kind.CHANGED, f"{TRANSACTIONS} of {datetime.now(UTC):%Y-%m}") in found(check())


def test_what_arrives_after_the_erasure_is_told_of_too(
    spool: Spool, ledger: Database, connection: Connection, archive: Archive, signer: Signer,
    check: Check,
) -> None:  # fmt: skip
    recorded(spool, range(70))
    forget(connection, "c-2")
    ship(spool, ledger, archive, signer)
    assert (check().findings, check().erased) == ([], 10)
    connection.execute(EMPTY, ["tx-1"])
    assert [one.kind for one in check().findings] == [Kind.CHANGED]


class TestChainsOfActs:
    """What the acts themselves are in."""

    def test_who_acts_next_goes_on_with_the_chain(self, written: Connection) -> None:
        chains = written.execute("SELECT chain FROM chains WHERE open").fetchall()
        assert len(chains) == 1
        kinds = written.execute(
            "SELECT kind FROM audit WHERE chain = %s ORDER BY sequence", chains[0]
        ).fetchall()
        assert [kind for (kind,) in kinds] == ["began", *["acted"] * 7]

    @pytest.mark.parametrize(
        "change",
        ["pod = 'p'", "detector = 'd'", "began_at = now() + interval '1 year'"],
    )
    def test_no_chain_is_hidden_from_those_who_seal(
        self, written: Connection, check: Check, change: str
    ) -> None:
        written.execute(f"UPDATE chains SET {change} WHERE open".encode())
        assert found(check()) == {(Kind.CHANGED, "Postgres, chains")}

    def test_nobody_is_made_to_go_on_with_a_process_s_chain(
        self, written: Connection, check: Check
    ) -> None:
        written.execute("UPDATE chains SET open = NOT open")
        assert found(check()) == {(Kind.CHANGED, "Postgres, chains")}

    def test_those_who_act_at_once_do_not_wait_for_each_other(
        self, dsn: str, connection: Connection, ledger: Database
    ) -> None:
        together = threading.Barrier(3)

        def one(number: int) -> None:
            with psycopg.connect(dsn, autocommit=True) as mine, acts.acting(mine) as acting:
                together.wait(timeout=20)
                acting.record(Acted(datetime.now(UTC), f"test.{number}", "ann"))

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(one, range(3)))
        opened = connection.execute("SELECT count(*) FROM chains WHERE open").fetchone()
        assert opened == (3,)
        assert verify(ledger, None, None).clean

    def test_an_act_that_fails_is_not_recorded(self, written: Connection, check: Check) -> None:
        before = check().entries

        def fail() -> None:
            with acts.acting(written) as acting:
                acting.record(Acted(datetime.now(UTC), "test", "ann"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert check().entries == before

    def test_they_are_ended_and_sealed(
        self, written: Connection, spool: Spool, ledger: Database, archive: Archive,
        signer: Signer, check: Check,
    ) -> None:  # fmt: skip
        one = shipper(spool, ledger, archive, signer)
        sealed = "SELECT count(*) FROM chains WHERE pod = '' AND sealed = 1 AND NOT open"
        steps_until(one, "sealed", lambda: written.execute(sealed).fetchone() == (1,))
        assert check().findings == []
        lookups.transaction(written, "tx-10", principal="ann")
        assert check().findings == []
        assert written.execute("SELECT count(*) FROM chains WHERE pod = ''").fetchone() == (2,)

    def test_nobody_goes_on_with_one_that_is_sealed(
        self, written: Connection, spool: Spool, ledger: Database, archive: Archive,
        signer: Signer, check: Check,
    ) -> None:  # fmt: skip
        """No shipper would seal what is added: it could be rewritten for good."""
        one = shipper(spool, ledger, archive, signer)
        sealed = "SELECT count(*) FROM chains WHERE pod = '' AND sealed = 1 AND NOT open"
        steps_until(one, "sealed", lambda: written.execute(sealed).fetchone() == (1,))
        written.execute("UPDATE chains SET open = true WHERE pod = ''")
        assert found(check()) == {(Kind.CHANGED, "Postgres, chains")}
        lookups.transaction(written, "tx-10", principal="ann")
        written.execute("UPDATE chains SET open = false")
        (finding,) = check().findings
        assert (finding.kind, finding.where) == (Kind.ADDED, "Postgres, audit")
        assert "1 entries were added after the chain was sealed" in finding.message


class TestAfterTheirMonth:
    """Labels and words on lists stay in Postgres when the acts are in the archive only."""

    @pytest.fixture
    def retired(
        self, written: Connection, spool: Spool, ledger: Database, archive: Archive,
        signer: Signer, verifier: Verifier,
    ) -> Connection:  # fmt: skip
        one = shipper(spool, ledger, archive, signer)
        sealed = "SELECT count(*) FROM chains WHERE pod = '' AND sealed = 1"
        steps_until(one, "sealed", lambda: written.execute(sealed).fetchone() == (1,))
        done = retire(written, archive, verifier, hot=timedelta(days=90), now=LATER)
        assert done.dropped
        assert done.kept == ()
        for table in ("labels", "list_entries"):
            written.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())
        # The test's months to come are still in the future: they are made anew.
        written.execute("SELECT make_partitions(%s)", [LATER.date()])
        return written

    def test_nothing_is_wrong(self, retired: Connection, check: Check) -> None:
        assert check().findings == []

    @pytest.mark.parametrize(
        ("statement", "finding"),
        [
            ("UPDATE labels SET label = 'cleared'", (Kind.CHANGED, LABELS)),
            ("DELETE FROM labels WHERE transaction_id = 'tx-11'", (Kind.REMOVED, LABELS)),
            ("DELETE FROM labels", (Kind.REMOVED, LABELS)),
            ("DELETE FROM list_entries", (Kind.REMOVED, LISTS)),
            ("UPDATE list_entries SET reason = 'a friend'", (Kind.CHANGED, LISTS)),
            ("INSERT INTO labels VALUES ('tx-9', 'cleared', now(), now(), 'x', 'x')",
             (Kind.ADDED, LABELS)),
        ],
    )  # fmt: skip
    def test_it_is_found(
        self, retired: Connection, check: Check, statement: str, finding: tuple[Kind, str]
    ) -> None:
        assert retired.execute(statement.encode()).rowcount
        assert found(check()) == {finding}


class TestPersonalInTheArchive:
    """Whoever may write to the object store."""

    def test_a_file_is_gone(self, written: Connection, tmp_path: Path, check: Check) -> None:
        (file,) = (tmp_path / "archive" / "personal").rglob("*.gz")
        file.unlink()
        assert found(check()) == {(Kind.MISSING_PERSONAL, "archive, personal 0")}

    def test_a_file_that_waited_for_postgres_is_gone(
        self, spool: Spool, ledger: Database, archive: Archive, signer: Signer, tmp_path: Path,
        check: Check,
    ) -> None:  # fmt: skip
        """Its seal is from before, as keys are in Postgres: the entries say what there must be."""
        recorded(spool, range(70))
        ship(spool, NOWHERE, archive, signer, replace(SHIPPING, last_patience=0.1))
        assert check().findings == []
        other = shipper(Spool(tmp_path / "other", 16 << 20), ledger, archive, signer)
        steps_until(other, "recovered", lambda: other.shipped.recovered == 1)
        assert check().findings == []
        (file,) = (tmp_path / "archive" / "personal").rglob("*.gz")
        file.unlink()
        assert found(check()) == {(Kind.MISSING_PERSONAL, "archive, personal 0")}

    def test_a_line_is_gone(
        self, written: Connection, tmp_path: Path, archive: Archive, check: Check
    ) -> None:
        (name,) = archive.whole()
        lines = archive.personal(name).splitlines(keepends=True)
        (file,) = (tmp_path / "archive" / "personal").rglob("*.gz")
        file.unlink()
        archive.put_personal(name, b"".join(lines[1:]))
        assert found(check()) == {(Kind.CHANGED, "archive, personal 0")}

    def test_it_is_damaged(self, written: Connection, tmp_path: Path, check: Check) -> None:
        (file,) = (tmp_path / "archive" / "personal").rglob("*.gz")
        file.write_bytes(b"nonsense")
        assert found(check()) == {(Kind.CHANGED, "archive, personal 0")}
