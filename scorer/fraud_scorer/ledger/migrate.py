"""The schema, brought up to date: numbered SQL files, applied once each and in order, never undone.

A file is one transaction. Each must leave a schema that scorers of the release before can still
use: it adds, and what is to go is left alone for a release first. A file that was applied is never
edited again, which a checksum holds; a mistake is mended by the next file. Of several who migrate
at once one does it and the others find it done. A database that a later release has migrated is
left as it is.

There is no migration library here: going forward only needs no more than this, the files read as
what Postgres gets, and the image that serves stays free of an ORM.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from fraud_scorer.ledger.database import Connection, DatabaseError
from fraud_scorer.ledger.roles import Roles, as_owner

LOCK_TIMEOUT = "3s"
"""How long a change waits for a table, and so holds up those that come after it."""
_TRIES = 20
_BETWEEN_TRIES = 1.0

_MEMORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Over its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> list[Migration]:
    """All that this release knows, in order."""
    folder = files("fraud_scorer.ledger") / "schema"
    found = [
        Migration(int(file.name.partition("_")[0]), file.name, file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda one: one.number)


def migrate(
    connection: Connection,
    roles: Roles | None,
    *,
    migrations: Sequence[Migration] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Apply what is missing; the names of what was applied. Raises DatabaseError.

    The tables belong to the owner in `roles`, who must exist; without roles to whoever connects.
    """
    wanted = shipped() if migrations is None else migrations
    with as_owner(connection, roles):
        connection.execute(_MEMORY)
        applied = _applied(connection)
        _check(wanted, applied)
        missing = [one for one in wanted if one.number not in applied]
        for migration in missing:
            progress(f"applying {migration.name}")
            _apply(connection, migration)
    return [one.name for one in missing]


def require_current(connection: Connection) -> None:
    """Raise DatabaseError where the schema is older than this release needs."""
    needed = shipped()[-1]
    found = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    if found is None or found[0] < needed.number:
        raise DatabaseError(
            f"the schema is older than {needed.name}: run fraud-scorer migrate before this release"
        )


def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = connection.execute("SELECT number, name, sha256 FROM schema_migrations")
    return {number: (name, sha256) for number, name, sha256 in rows}


def _check(wanted: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> None:
    for one in wanted:
        name, sha256 = applied.get(one.number, (one.name, one.sha256))
        if sha256 != one.sha256:
            raise DatabaseError(
                f"{name} was applied with other contents than {one.name} has now: a migration is"
                " never edited; restore it, and put the change into a new file"
            )
    numbers = {one.number for one in wanted}
    highest = max(applied, default=0)
    if late := [one.name for one in wanted if one.number < highest and one.number not in applied]:
        raise DatabaseError(f"{late[0]} is older than what was applied already: give it a number"
                            f" above {max(highest, *numbers)}")  # fmt: skip


def patiently(what: str, change: Callable[[], None]) -> None:
    """Make a change that gives way to readers and writers, and comes again. Raises DatabaseError,
    naming `what`, where it never got its lock."""
    for attempt in range(1, _TRIES + 1):
        try:
            change()
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == _TRIES:
                raise DatabaseError(
                    f"{what} never got its lock: end the long transactions that"
                    " pg_stat_activity shows, and run fraud-scorer migrate again"
                ) from None
            time.sleep(_BETWEEN_TRIES)


def _apply(connection: Connection, migration: Migration) -> None:
    """In one transaction."""

    def change() -> None:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )

    try:
        patiently(migration.name, change)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise DatabaseError(f"{migration.name}: {error}") from error
