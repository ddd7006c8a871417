"""The schema: applied once and in order, by whoever comes first, with least rights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from fraud_scorer.ledger.database import Database, DatabaseError
from fraud_scorer.ledger.migrate import (
    Migration,
    migrate,
    require_current,
    shipped,
)
from fraud_scorer.ledger.roles import Roles, make_roles
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, count, migrated, recorded, ship, write, writer
from tests.support.postgres import PostgresServer

TABLES = {
    "chains", "audit", "transactions", "predictions", "labels", "access_log", "idempotency_keys",
    "subject_keys", "erasures", "schema_migrations", "entity_attributes",
    "list_entries",
}  # fmt: skip


@pytest.fixture
def empty(database: str) -> Iterator[Connection]:
    """Into a database without anything."""
    with psycopg.connect(database, autocommit=True) as found:
        yield found


def test_it_is_applied_once(empty: Connection) -> None:
    assert migrate(empty, None) == [one.name for one in shipped()]
    assert migrate(empty, None) == []
    require_current(empty)


def test_several_at_once_apply_it_once(database: str, empty: Connection) -> None:
    start = threading.Barrier(6)

    def one(_: int) -> list[str]:
        with psycopg.connect(database, autocommit=True) as connection:
            start.wait()
            make_roles(connection, Roles("together"), {})
            return migrate(connection, Roles("together"))

    with ThreadPoolExecutor(6) as pool:
        applied = [name for names in pool.map(one, range(6)) for name in names]
    assert applied == [one.name for one in shipped()]
    assert count(empty, "schema_migrations") == len(shipped())


def test_an_applied_file_that_was_edited_is_refused(empty: Connection) -> None:
    migrate(empty, None, migrations=[Migration(1, "0001_a.sql", "CREATE TABLE a ()")])
    with pytest.raises(DatabaseError, match=r"0001_a\.sql was applied with other contents"):
        migrate(empty, None, migrations=[Migration(1, "0001_a.sql", "CREATE TABLE b ()")])


def test_a_number_that_was_passed_is_refused(empty: Connection) -> None:
    migrate(empty, None, migrations=[Migration(2, "0002_b.sql", "CREATE TABLE b ()")])
    late = [Migration(1, "0001_a.sql", "SELECT 1"), Migration(2, "0002_b.sql", "CREATE TABLE b ()")]
    with pytest.raises(DatabaseError, match="give it a number above 2"):
        migrate(empty, None, migrations=late)


def test_a_file_that_fails_leaves_nothing(empty: Connection) -> None:
    broken = Migration(1, "0001_a.sql", "CREATE TABLE a (); SELECT nothing FROM nowhere")
    with pytest.raises(DatabaseError, match="0001_a"):
        migrate(empty, None, migrations=[broken])
    assert empty.execute("SELECT to_regclass('a')").fetchone() == (None,)
    assert count(empty, "schema_migrations") == 0


def test_a_later_release_s_schema_is_left_alone(empty: Connection) -> None:
    later = Migration(9999, "9999_later.sql", "ALTER TABLE audit ADD COLUMN later text")
    migrate(empty, None, migrations=[*shipped(), later])
    assert migrate(empty, None) == []
    require_current(empty)


def test_an_older_schema_is_not_used(empty: Connection) -> None:
    migrate(empty, None, migrations=[Migration(0, "0000_nothing.sql", "SELECT 1")])
    with pytest.raises(DatabaseError, match="run fraud-scorer migrate"):
        require_current(empty)


def test_a_scorer_of_the_release_before_goes_on(
    spool: Spool, ledger: Database, dsn: str, connection: Connection
) -> None:
    """What a later file may do: add columns, tables and indexes, while this release writes."""
    later = Migration(
        9999, "9999_later.sql",
        "ALTER TABLE predictions ADD COLUMN segment text;"
        "ALTER TABLE audit ADD COLUMN region text DEFAULT 'none';"
        "CREATE INDEX predictions_version ON predictions (version);",
    )  # fmt: skip
    one = writer(spool)
    write(one, range(500))
    with psycopg.connect(dsn, autocommit=True) as other:
        migrate(other, Roles(), migrations=[*shipped(), later])
    write(one, range(500, 1000))
    one.close()
    ship(spool, ledger)
    assert count(connection, "predictions") == 1000


def test_a_migration_gives_way_to_who_reads(
    dsn: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not queue behind a long transaction with everybody else behind it: it tries again."""
    monkeypatch.setattr("fraud_scorer.ledger.migrate.LOCK_TIMEOUT", "50ms")
    tried = threading.Semaphore(0)
    monkeypatch.setattr("fraud_scorer.ledger.migrate.time.sleep", lambda _: tried.release())
    monkeypatch.setattr("fraud_scorer.ledger.migrate._TRIES", 10_000)
    later = Migration(9999, "9999_later.sql", "ALTER TABLE labels ADD COLUMN note text")

    def go() -> list[str]:
        with psycopg.connect(dsn, autocommit=True) as other:
            return migrate(other, Roles(), migrations=[*shipped(), later])

    with ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            connection.execute("SELECT count(*) FROM labels")
            going = pool.submit(go)
            assert tried.acquire(timeout=30), "it never gave way"
            with psycopg.connect(dsn) as reader:  # is not held up by the one that waits
                reader.execute("SET statement_timeout = '10s'")
                reader.execute("SELECT count(*) FROM labels")
        assert going.result(timeout=30) == ["9999_later.sql"]


class TestRoles:
    """Who owns, who may what, and who can log in."""

    def test_the_tables_belong_to_somebody_who_cannot_log_in(self, connection: Connection) -> None:
        owners = dict(
            connection.execute(
                "SELECT c.relname, r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = relowner"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            ).fetchall()
        )
        assert owners.keys() >= TABLES
        assert set(owners.values()) == {"fraudops_owner"}
        roles = connection.execute(
            "SELECT rolcanlogin FROM pg_roles WHERE rolname = ANY(%s)",
            [["fraudops_owner", "fraudops_scorer"]],
        ).fetchall()
        assert roles == [(False,), (False,)]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit SET body = ''",
            "DELETE FROM audit",
            "UPDATE transactions SET user_id = NULL",
            "DELETE FROM predictions",
            "UPDATE labels SET label = 'cleared'",
            "DELETE FROM access_log",
            "UPDATE chains SET began_at = now()",
            "DELETE FROM subject_keys",
            "INSERT INTO erasures (subject_sha256) VALUES ('x')",
            "DROP TABLE audit",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "TRUNCATE labels",
        ],
    )
    def test_a_scorer_cannot_change_what_was_recorded(
        self, connection: Connection, statement: str
    ) -> None:
        connection.execute("SET ROLE fraudops_scorer_a")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())

    def test_not_even_the_owner_changes_a_label(self, connection: Connection) -> None:
        connection.execute("SET ROLE fraudops_owner")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute("UPDATE labels SET label = 'cleared'")

    def test_logins_take_turns(self, postgres: PostgresServer, database: str) -> None:
        roles = Roles("turns")
        name = database.split("dbname=")[1].split()[0]

        def can_log_in(login: str, password: str) -> bool:
            try:
                psycopg.connect(postgres.tcp_dsn(name, login, password)).close()
            except psycopg.OperationalError:
                return False
            return True

        first, second = roles.logins
        with psycopg.connect(database, autocommit=True) as admin:
            make_roles(admin, roles, {first: "one"})
            assert can_log_in(first, "one")
            assert not can_log_in(second, "")
            with psycopg.connect(postgres.tcp_dsn(name, first, "one")) as running:
                make_roles(admin, roles, {second: "two"})
                assert can_log_in(second, "two")
                assert can_log_in(first, "one")
                running.execute("SELECT 1")

    def test_a_scorer_s_login_is_enough_to_ship(
        self, postgres: PostgresServer, dsn: str, spool: Spool, connection: Connection
    ) -> None:
        migrated(dsn, {"fraudops_scorer_a": "secret"})
        name = dsn.split("dbname=")[1].split()[0]
        ledger = Database(postgres.tcp_dsn(name, "fraudops_scorer_a", "secret"), name="test")
        recorded(spool, range(100))
        ship(spool, ledger)
        assert count(connection, "transactions") == 100

    def test_a_password_is_never_in_a_statement(self, own_postgres: PostgresServer) -> None:
        own_postgres.sql("ALTER SYSTEM SET log_statement = 'all'")
        own_postgres.sql("SELECT pg_reload_conf()")
        own_postgres.sql("SELECT 'logged'")
        with psycopg.connect(own_postgres.dsn(), autocommit=True) as admin:
            make_roles(admin, Roles(), {"fraudops_scorer_a": "hunter2-of-a-test"})
        assert "SCRAM-SHA-256" in own_postgres.log()
        assert "hunter2" not in own_postgres.log()

    def test_who_may_make_no_roles_learns_what_to_do(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET ROLE fraudops_scorer")
            with pytest.raises(DatabaseError, match="--no-roles"):
                make_roles(connection, Roles("others"), {})
