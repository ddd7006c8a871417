"""Stops asking a store that does not answer, and finds out by itself when it does again.

While it is open nobody waits for the store: a probe in the background does, and no request pays for
it. Each change is logged with its cause; of a store that comes and goes, a few a minute.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

AFTER = 3
"""Failures in a row."""
FIRST_PROBE, LAST_PROBE = 0.05, 1.0
"""Seconds between probes, doubling."""

log = logging.getLogger(__name__)


class Breaker:
    """Begins open, until the first probe has succeeded. Of one event loop."""

    def __init__(self, store: str, probe: Callable[[], Awaitable[None]]) -> None:
        """`probe` raises where the store cannot be used; it ends by itself in bounded time."""
        self._probe = probe
        self._failures = 0
        self._closed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._changes = Changes(store)
        self.opened = 0
        """How often it has opened."""

    @property
    def closed(self) -> bool:
        """Whether the store may be asked."""
        return self._closed.is_set()

    def start(self) -> None:
        """Look for the store, unless that is going on or has been done."""
        if self._probing is None and not self.closed:
            self._probing = asyncio.get_running_loop().create_task(self._look())

    def succeeded(self) -> None:
        """The store answered in time."""
        self._failures = 0

    def failed(self, why: str, *, at_once: bool = False) -> None:
        """It did not, for that reason; `at_once` where it is clear that it will not do so the next
        time either."""
        self._failures += 1
        if self.closed and (at_once or self._failures >= AFTER):
            self._closed.clear()
            self.opened += 1
            self._changes.tell(logging.WARNING, f"is left alone until it answers: {why}")
            self.start()

    async def wait_closed(self) -> None:
        """Return once the store may be asked."""
        await self._closed.wait()

    async def aclose(self) -> None:
        """Look no longer."""
        self._changes.close()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
            self._probing = None

    async def _look(self) -> None:
        pause, last = FIRST_PROBE, ""
        while True:
            try:
                await self._probe()
            except Exception as error:
                why = str(error) or type(error).__name__
                if why != last:
                    self._changes.tell(logging.WARNING, f"cannot be used: {why}")
                last = why
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(2 * pause, LAST_PROBE)
            else:
                break
        self._failures, self._probing = 0, None
        self._closed.set()
        self._changes.tell(logging.INFO, "answers")


class Changes:
    """What becomes of one store, in the log: `MOST` changes a period, and at its end how many were
    passed over, and the last of them. So the log's last word is always how it is."""

    MOST = 10
    PERIOD = 60.0
    """Seconds."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._told = self._untold = 0
        self._last = (logging.INFO, "")
        self._ending: asyncio.TimerHandle | None = None

    def tell(self, level: int, what: str) -> None:
        """Something changed."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(self.PERIOD, self._end)
        if self._told < self.MOST:
            self._told += 1
            log.log(level, "%s %s", self._store, what)
        else:
            self._untold += 1
            self._last = level, what

    def close(self) -> None:
        """Say what was held back."""
        for _ in range(2):  # what is said begins another period
            if self._ending is not None:
                self._ending.cancel()
                self._end()

    def _end(self) -> None:
        """The period is over."""
        untold, self._untold, self._told, self._ending = self._untold, 0, 0, None
        if untold:
            level, what = self._last
            self.tell(level, f"{what} (after {untold - 1} other changes that are not told)")
