"""Postgres for handlers: a few threads with a connection each, which are closed when nobody asks.

An answer, or a problem that says what to do, comes in `patience` seconds, whatever Postgres does.
One that hangs costs a thread that long; then it is left alone for up to a second, in which who asks
is told at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, LifoQueue
from typing import TypeVar

from fraud_scorer.ledger.database import Connection, Database, DatabaseError, Unavailable
from fraud_scorer.ledger.session import Session
from fraud_scorer.problem import OVERLOADED, RECORDS_AWAY, RETRY_AFTER, Problem

T = TypeVar("T")

_WAITING_EACH = 16
"""How many may wait for a thread, for each thread that there is."""
_LONGEST_PAUSE = 1.0
_AWAY = (
    "The records' database cannot be used now: send the same again in a few seconds. What may be"
    " recorded already is not recorded twice if an Idempotency-Key goes with it"
)
_UNFIT = (
    "The records' database answers, but not as this release needs it: whoever runs the service"
    " finds what to do in its log"
)

_log = logging.getLogger(__name__)


class RecordsAccess:
    """Of one event loop."""

    def __init__(
        self, database: Database, *, threads: int, patience: float = 5.0, idle: float = 60.0
    ) -> None:
        self._patience, self._idle = patience, idle
        self._most_waiting = threads * _WAITING_EACH
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="records")
        self._sessions: LifoQueue[Session] = LifoQueue()
        for _ in range(threads):
            self._sessions.put(Session(database, longest_pause=_LONGEST_PAUSE))
        self._waiting = 0
        self._closing: asyncio.TimerHandle | None = None

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """What `work` gives, in a thread. Raises Problem where Postgres cannot be asked, and
        whatever else `work` raises."""
        if self._waiting >= self._most_waiting:
            raise Problem(
                OVERLOADED, "Too many ask for records: send it again later", headers=RETRY_AFTER
            )
        loop = asyncio.get_running_loop()
        end = time.monotonic() + self._patience
        self._waiting += 1
        try:
            asked = loop.run_in_executor(self._threads, self._ask, work, end)
            return await asyncio.wait_for(asked, self._patience)
        except TimeoutError:
            _log.warning("Postgres did not answer who asked for records")
            raise Problem(RECORDS_AWAY, _AWAY, headers=RETRY_AFTER) from None
        except Unavailable:
            raise Problem(RECORDS_AWAY, _AWAY, headers=RETRY_AFTER) from None
        except DatabaseError as error:
            _log.error("the records cannot be used", extra={"error": str(error)})
            raise Problem(RECORDS_AWAY, _UNFIT) from None
        finally:
            self._waiting -= 1
            self._close_later(loop)

    async def aclose(self) -> None:
        """Close the connections, once whoever uses them has ended."""
        if self._closing is not None:
            self._closing.cancel()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._close_all)
        self._threads.shutdown(wait=False)

    def _ask(self, work: Callable[[Connection], T], end: float) -> T:
        """In a thread: there are as many sessions as threads."""
        session = self._sessions.get_nowait()
        try:
            left = end - time.monotonic()
            if left <= 0 or not session.due():
                raise Unavailable("Postgres did not answer just now")
            with session.use(patience=left) as connection:
                return work(connection)
        finally:
            self._sessions.put(session)

    def _close_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._closing = loop.call_later(self._idle, self._threads.submit, self._close_all)

    def _close_all(self) -> None:
        """Close what nobody uses."""
        idle = []
        try:
            while True:
                idle.append(self._sessions.get_nowait())
        except Empty:
            pass
        for session in idle:
            session.close()
            self._sessions.put(session)
