"""One connection that is kept, and given up for a while where Postgres cannot be used.

One that the server has closed meanwhile (a restart, a fail-over) is not used, but replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from fraud_scorer import line
from fraud_scorer.ledger import migrate, partitions
from fraud_scorer.ledger.database import (
    Connection,
    Database,
    DatabaseError,
    Unavailable,
    deadline,
    explained,
)

_FIRST_PAUSE = 0.25
_PARTITIONS_EVERY = 6 * 3600.0

_log = logging.getLogger(__name__)


class Session:
    """Postgres, for a process that uses it all the time and can wait."""

    def __init__(self, database: Database, *, longest_pause: float = 10.0) -> None:
        """`longest_pause`: seconds before it is tried again, however often it failed."""
        self._database, self._longest_pause = database, longest_pause
        self._connection: Connection | None = None
        self._pause, self._again_at = 0.0, 0.0
        self._partitions_at: float | None = None
        self.away_since: float | None = None
        """Since when Postgres cannot be used (monotonic clock); None where it can."""

    def due(self) -> bool:
        """Whether it is worth trying now."""
        return time.monotonic() >= self._again_at

    @contextmanager
    def use(self, *, patience: float | None = None) -> Iterator[Connection]:
        """The connection, for at most so many seconds. Raises DatabaseError."""
        seconds = self._database.patience if patience is None else patience
        try:
            with explained():
                connection = self._connected(seconds)
                with deadline(connection, seconds):
                    yield connection
        except DatabaseError as error:
            self._gave_up(error)
            raise
        self._pause = 0.0
        if self.away_since is not None:
            _log.info("Postgres is back")
            self.away_since = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _connected(self, seconds: float) -> Connection:
        if self._connection is not None and not _quiet(self._connection):
            self.close()
        if self._connection is None:
            self._connection = self._database.open(patience=seconds)
            with deadline(self._connection, seconds):
                migrate.require_current(self._connection)
        now = time.monotonic()
        if self._partitions_at is None or now - self._partitions_at > _PARTITIONS_EVERY:
            with deadline(self._connection, seconds):
                partitions.make(self._connection, partitions.months_ahead(datetime.now(UTC)))
            self._partitions_at = now
        return self._connection

    def _gave_up(self, error: DatabaseError) -> None:
        self.close()
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), self._longest_pause)
        self._again_at = time.monotonic() + self._pause
        if self.away_since is None:
            self.away_since = time.monotonic()
            log = _log.warning if isinstance(error, Unavailable) else _log.error
            log("Postgres cannot be used", extra={"error": str(error)})


def _quiet(connection: Connection) -> bool:
    if connection.closed:
        return False
    with line.of(connection) as found:
        return line.quiet(found)
