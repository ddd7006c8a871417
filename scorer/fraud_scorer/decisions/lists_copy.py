"""Keeps a serving process's lists as Postgres has them, a few seconds behind.

Read wholly at first, then only what was said since, in pages: nobody's answer waits for a page, and
reading one holds the interpreter for milliseconds. With Postgres away the last copy holds, and says
how old it is. Once an hour, and after a restore, all is read anew: what was deleted says no word.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from fraud_scorer.decisions.lists import Listing, Lists
from fraud_scorer.ledger import lists as store
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.lists import Said

T = TypeVar("T")

EVERY = 2.0
"""Seconds between two looks."""
ANEW = 3600.0
"""Seconds after which all is read anew."""
PAGE = 1000
"""Words read at once."""

_log = logging.getLogger(__name__)


class Asking(Protocol):
    """Runs something with a connection, away from the event loop. Raises where that cannot be."""

    def __call__(self, work: Callable[[Connection], T]) -> Awaitable[T]: ...


class ListsCopy:
    """Keeps `lists`. Of one event loop."""

    def __init__(
        self,
        lists: Lists,
        ask: Asking,
        *,
        looked: Callable[[bool], None] = lambda _: None,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`looked` is told of each look whether it succeeded."""
        self._looked = looked
        self.lists, self._ask, self._every, self._clock = lists, ask, every, clock
        self._seen = 0
        self._read_at: float | None = None
        self._changed, self._first = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, patience: float = 1.0) -> None:
        """Keep it from now on, and wait for the first look, but not for long."""
        self._task = asyncio.get_running_loop().create_task(self._keep())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first.wait(), patience)

    async def aclose(self) -> None:
        """Keep it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def changed(self) -> None:
        """Look at once: this process has said something."""
        self._changed.set()

    async def refresh(self) -> None:
        """Take over what is new. Raises what `ask` raises."""
        began = self._clock()
        newest = await self._ask(store.newest)
        if self._read_at is None or began - self._read_at >= ANEW or newest < self._seen:
            await self._read_anew(newest)
            self._read_at = began
        while self._seen < newest:
            words = await self._ask(partial(_since, number=self._seen))
            if not words:
                break
            self.lists.add(map(_listing, words))
            self._seen = words[-1].number

    async def _read_anew(self, newest: int) -> None:
        """All that holds. What was said up to `newest` is in it; newer words come once more."""
        held: list[Listing] = []
        last = 0
        while words := await self._ask(partial(_holding, after=last)):
            held += map(_listing, words)
            last = words[-1].number
        self.lists.replace(held)
        self._seen = newest

    async def _keep(self) -> None:
        away = False
        while True:
            try:
                await self.refresh()
                if away:
                    _log.info("the lists are up to date again")
                away = False
                self._first.set()
            except Exception as error:
                if not away:
                    _log.warning("the lists stay as they are", extra={"error": str(error)})
                away = True
            self._looked(not away)
            self._changed.clear()
            try:
                pause = self._every * random.uniform(0.8, 1.2)  # noqa: S311
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                pass


def _since(connection: Connection, number: int) -> Sequence[Said]:
    return store.since(connection, number, limit=PAGE)


def _holding(connection: Connection, after: int) -> Sequence[Said]:
    return store.holding(connection, after=after, limit=PAGE)


def _listing(word: Said) -> Listing:
    expires = None if word.expires_at is None else word.expires_at.timestamp()
    return Listing(word.list, word.kind, word.id, expires, word.action == "remove")
