"""The file that records are kept in: SQLite, used by one process, and there by one thread.

What is written is put together: while one commit is under way, what comes goes into the next. A
commit is in the kernel's memory, so a killed process loses none; a machine that dies may lose the
last moments, and never an older one.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from fraud_scorer.ledger.spool import SpoolFull

T = TypeVar("T")

_log = logging.getLogger(__name__)

FORMAT = 1
_APPLICATION = 0x46524453
"""Tells such a file from another program's."""
_MOST_WAITING = 10_000
"""Entries that wait for a commit."""

_SCHEMA = """
CREATE TABLE file (id TEXT NOT NULL);
CREATE TABLE answers (
    sequence INTEGER PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    user_id TEXT,
    event_time INTEGER NOT NULL,
    body TEXT NOT NULL,
    personal TEXT NOT NULL
);
CREATE INDEX answers_transaction ON answers (transaction_id);
CREATE INDEX answers_user ON answers (user_id, event_time, sequence);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    label TEXT NOT NULL,
    event_time TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    source TEXT NOT NULL,
    added_by TEXT NOT NULL,
    UNIQUE (transaction_id, label, source, event_time, observed_at)
);
CREATE TABLE given (
    number INTEGER PRIMARY KEY,
    transaction_id TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL
);
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,
    answer BLOB NOT NULL,
    claimed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (scope, key)
);
CREATE TABLE access_log (
    accessed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    principal TEXT NOT NULL,
    action TEXT NOT NULL,
    about TEXT NOT NULL,
    found INTEGER NOT NULL
);
"""


@dataclass(slots=True)
class _Written:
    """A statement that waits for its commit."""

    statement: str
    values: Sequence[Any]
    done: asyncio.Future[None] | None


class DataFile:
    """Of one event loop. `aclose` it at the end."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises OSError, whose text says what to do."""
        self.path = path
        self._lock = _locked(path.resolve())
        try:
            self._connection, self.id = _opened(path)
        except BaseException:
            self._lock.close()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="data")
        self._waiting: list[_Written] = []
        self._due = False
        self._committing = 0
        self.failure = ""
        """Why the last commit failed; empty where it did not."""

    def write(self, statement: str, *values: Any, awaited: bool) -> asyncio.Future[None] | None:
        """Have it written; where it is awaited, the result comes once it is. Raises SpoolFull
        where too much waits already."""
        if len(self._waiting) >= _MOST_WAITING:
            raise SpoolFull(f"{self.path} does not take records as fast as they come")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] | None = loop.create_future() if awaited else None
        self._waiting.append(_Written(statement, values, done))
        if not self._due and not self._committing:
            self._due = True
            loop.call_soon(self._send)
        return done

    async def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, of all that was written before, in a transaction of its own. Raises
        sqlite3.Error, and whatever else `work` raises."""
        self._send()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._in_transaction, work)

    async def aclose(self) -> None:
        """Write what waits, and close."""
        await self.ask(lambda _: None)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()
        self._lock.close()

    def _send(self) -> None:
        """Commit what waits, together."""
        self._due = False
        if not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        self._committing += 1
        sent = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batch)
        sent.add_done_callback(lambda done: self._sent(batch, done))

    def _sent(self, batch: list[_Written], sent: asyncio.Future[None]) -> None:
        self._committing -= 1
        error = sent.exception()
        self.failure = "" if error is None else f"{self.path}: {error}"
        if error is not None:
            _log.error("the data file takes no records", extra={"error": str(error)})
        for one in batch:
            if one.done is not None and not one.done.done():
                if error is None:
                    one.done.set_result(None)
                else:
                    one.done.set_exception(OSError(self.failure))
        if not self._committing:
            self._send()

    def _commit(self, batch: list[_Written]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for one in batch:
                connection.execute(one.statement, one.values)

        self._in_transaction(work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """In the thread."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result


def _locked(path: Path) -> Any:
    """What keeps others from using the file, also others of this program: memory holds a part of
    what is in it. (A lock of the file itself would be in the way of SQLite's own.)"""
    lock = path.with_name(path.name + "-lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OSError(
            errno.EBUSY,
            "another service uses this file: stop it, or give this one --data FILE of its own",
            str(path),
        ) from None
    return lock


def _opened(path: Path) -> tuple[sqlite3.Connection, UUID]:
    connection = None
    path.touch(mode=0o600)  # it is about people
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        return connection, _prepared(connection, path)
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, OSError):
            raise
        raise OSError(
            errno.EINVAL,
            f"{error}: give --data another FILE, or --data none to keep nothing",
            str(path),
        ) from None


def _prepared(connection: sqlite3.Connection, path: Path) -> UUID:
    """The file's own id, made with its tables where it is new."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (format_,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and (application, format_) != (_APPLICATION, FORMAT):
        raise OSError(
            errno.EINVAL,
            "this is no data file of this release of fraud-scorer: give --data another FILE",
            str(path),
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 5000")
    if not tables:
        connection.executescript("BEGIN;" + _SCHEMA)
        connection.execute("INSERT INTO file VALUES (?)", [str(uuid4())])
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    (found,) = connection.execute("SELECT id FROM file").fetchone()
    return UUID(found)
