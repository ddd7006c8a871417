"""Connections to Postgres: who asks, how long an answer may take, and what a failure means.

Where to connect is a connection string, or a mounted Secret with the keys that CloudNativePG
writes. A Secret is read anew at each connection, so that a rotated password needs no restart.

No time-out of libpq's or of the server's ends the wait for a server that hangs: `deadline` does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fraud_scorer import line

Connection = psycopg.Connection[tuple[Any, ...]]

_SECRET_KEYS = {
    "host": "host", "port": "port", "dbname": "dbname", "username": "user", "user": "user",
    "password": "password", "sslmode": "sslmode", "sslrootcert": "sslrootcert",
}  # fmt: skip


class DatabaseError(Exception):
    """Something about Postgres; the message says what to do next."""


class Unavailable(DatabaseError):
    """Postgres cannot take this now: away, hanging, read-only, full. It is worth trying again."""


class Database:
    """Where Postgres is, and for how long an answer is waited for."""

    def __init__(self, where: str | Path, *, name: str, patience: float = 10.0) -> None:
        """`where`: a connection string (what it leaves open comes from PGHOST and the like), or the
        folder of a mounted Secret. `name` is shown in pg_stat_activity. `patience` is seconds."""
        self._where = where
        self._name = name
        self.patience = patience

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection with autocommit. Raises Unavailable, also for what goes wrong inside."""
        with explained():
            connection = self.open()
            try:
                yield connection
            finally:
                connection.close()

    def open(self, *, patience: float | None = None) -> Connection:
        """A connection that the caller closes. Raises what the driver raises: see `explained`."""
        seconds = self.patience if patience is None else patience
        return psycopg.connect(self.conninfo(seconds), autocommit=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction on a connection of its own."""
        with self.connect() as connection, connection.transaction():
            yield connection

    def conninfo(self, patience: float | None = None) -> str:
        """What libpq connects by, read anew. Raises DatabaseError."""
        seconds = self.patience if patience is None else patience
        given: dict[str, Any] = conninfo_to_dict(self._text())
        ours: dict[str, Any] = {
            "connect_timeout": str(max(2, int(seconds))),
            "application_name": self._name,
            "client_encoding": "utf8",
        }
        options = f"{given.pop('options', '') or ''} -c timezone=UTC"
        return make_conninfo(**{**ours, **given, "options": options.strip()})

    def _text(self) -> str:
        try:
            if isinstance(self._where, str):
                conninfo_to_dict(self._where)
                return self._where
            return secret(self._where)
        except psycopg.ProgrammingError as error:
            raise DatabaseError(
                f"not a connection string: {str(error).strip()}; give one like"
                " postgresql://user@host:5432/database, or the folder of a mounted Secret"
            ) from None


def from_option(text: str, *, name: str, patience: float = 10.0) -> Database:
    """The database that a command line names: a folder where there is one of that name."""
    where = Path(text) if text and Path(text).is_dir() else text
    return Database(where, name=name, patience=patience)


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection after so long; what waits for it then fails as if the server had died."""
    with line.of(connection) as found:
        timer = threading.Timer(seconds, line.cut, [found])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the driver raises into our errors, with what to do next."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"Postgres refuses: {_said(error)}; connect as a role that may, or run"
            " fraud-scorer migrate as the database's owner"
        ) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction) as error:
        raise DatabaseError(
            f"the schema is not there: {_said(error)}; run fraud-scorer migrate"
        ) from None
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise Unavailable(f"Postgres takes no writes: {_said(error)}; is it a standby?") from None
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.errors.InsufficientResources,
        psycopg.errors.SerializationFailure,
    ) as error:
        raise Unavailable(f"Postgres cannot be used: {_said(error)}") from None
    except psycopg.Error as error:
        raise DatabaseError(f"Postgres refuses what it was given: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def secret(folder: Path) -> str:
    """The connection string of a mounted Secret: `uri`, or host, port, dbname, username, ..."""

    def read(name: str) -> str:
        try:
            return (folder / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise DatabaseError(f"cannot read {folder / name}: {error}") from None

    if uri := read("uri"):
        return uri
    found = {parameter: text for key, parameter in _SECRET_KEYS.items() if (text := read(key))}
    if "host" not in found:
        raise DatabaseError(f"{folder} has neither a key uri nor a key host: add one")
    return make_conninfo(**found)
