"""Who may do what in Postgres.

PREFIX_owner      NOLOGIN  owns the tables; migrations, retention and erasure act as it
PREFIX_scorer     NOLOGIN  may add and read, and change nothing that was recorded
PREFIX_scorer_a   LOGIN    members of the scorer; they take turns: a rotation gives the one
PREFIX_scorer_b   LOGIN    that is not in use a new password, and no running scorer loses its own
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from fraud_scorer.ledger.database import Connection, DatabaseError

_LOCK = 0x66726175  # "frau": whoever brings a database up to date holds it
_BETWEEN_TRIES = 0.2
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,40}")

_GRANTS = """
GRANT SELECT, INSERT ON audit, transactions, predictions, labels, access_log, subject_keys,
    entity_attributes, list_entries TO {scorer};
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO {scorer};
GRANT SELECT, INSERT ON chains TO {scorer};
GRANT UPDATE (delivered, hash, sealed, open) ON chains TO {scorer};
GRANT SELECT ON erasures, schema_migrations TO {scorer};
GRANT EXECUTE ON FUNCTION make_partitions(date) TO {scorer};
"""
_LIMITS = {
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
}


@dataclass(frozen=True)
class Roles:
    """The names. Roles belong to the whole server, so detectors that share one differ in prefix."""

    prefix: str = "fraudops"

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(
                f"{self.prefix!r} is no prefix of roles: small letters, digits and underscores"
            )

    @property
    def owner(self) -> str:
        """Owns the tables."""
        return f"{self.prefix}_owner"

    @property
    def scorer(self) -> str:
        """What both logins may."""
        return f"{self.prefix}_scorer"

    @property
    def logins(self) -> tuple[str, str]:
        """They take turns."""
        return f"{self.scorer}_a", f"{self.scorer}_b"


def make_roles(connection: Connection, roles: Roles, passwords: Mapping[str, str]) -> None:
    """Make what is missing, and give logins the passwords that are named. Raises DatabaseError.

    A login without a password yet cannot log in.
    """
    try:
        with alone(connection):
            _make_roles(connection, roles, passwords)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"roles cannot be made: {error}; connect as a superuser or a role with CREATEROLE, or"
            " give --no-roles to have everything owned by the role that connects"
        ) from None


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Of several who bring the same database up to date, one at a time."""
    # Not by waiting in Postgres: a statement that waits has a snapshot, which an index that is made
    # concurrently waits for.
    while not _locked(connection):
        time.sleep(_BETWEEN_TRIES)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


@contextmanager
def as_owner(connection: Connection, roles: Roles | None) -> Iterator[None]:
    """The same, as the owner of the tables; without roles as whoever connects."""
    with alone(connection):
        try:
            if roles is not None:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(roles.owner)))
            yield
        finally:
            if not connection.closed:
                connection.execute("RESET ROLE")


def _locked(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
    return row is not None and bool(row[0])


def _make_roles(connection: Connection, roles: Roles, passwords: Mapping[str, str]) -> None:
    for name in (roles.owner, roles.scorer, *roles.logins):
        _make(connection, name)
    who = sql.Identifier(roles.owner)
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(who))
    connection.execute(
        sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(_schema(connection), who)
    )
    for login in roles.logins:
        _set_up(connection, roles, login, passwords.get(login))


def grant(connection: Connection, roles: Roles) -> None:
    """Allow the scorer what it needs of the newest schema."""
    scorer = sql.Identifier(roles.scorer)
    with alone(connection), connection.transaction():
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(roles.owner)))
        connection.execute(sql.SQL(_GRANTS).format(scorer=scorer))
        connection.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(_schema(connection), scorer)
        )


def _make(connection: Connection, name: str) -> None:
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if there:
        return
    try:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return  # another database of the same server is being migrated at this very moment


def _set_up(connection: Connection, roles: Roles, login: str, password: str | None) -> None:
    name = sql.Identifier(login)
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(roles.scorer), name))
    for setting, value in _LIMITS.items():
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                name, sql.Identifier(setting), sql.Literal(value)
            )
        )
    if password is not None:
        # Hashed here: the server's log and its statistics show statements.
        secret = connection.pgconn.encrypt_password(
            password.encode(), login.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(secret.decode()))
        )


def _schema(connection: Connection) -> sql.Identifier:
    row = connection.execute("SELECT current_schema()").fetchone()
    if row is None or row[0] is None:
        raise DatabaseError("there is no schema to put tables into: set search_path")
    return sql.Identifier(row[0])
