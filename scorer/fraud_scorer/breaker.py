"""Stops asking a store that does not answer, and finds out by itself when it does again.

While it is open nobody waits for the store: a probe in the background does, and no request pays for
it.
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
        self._store, self._probe = store, probe
        self._failures = 0
        self._closed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
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

    def failed(self, *, at_once: bool = False) -> None:
        """It did not; `at_once` where it is clear that it will not do so the next time either."""
        self._failures += 1
        if self.closed and (at_once or self._failures >= AFTER):
            self._closed.clear()
            self.opened += 1
            log.warning("%s does not answer: it is left alone until it does", self._store)
            self.start()

    async def wait_closed(self) -> None:
        """Return once the store may be asked."""
        await self._closed.wait()

    async def aclose(self) -> None:
        """Look no longer."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
            self._probing = None

    async def _look(self) -> None:
        pause, told = FIRST_PROBE, False
        while True:
            try:
                await self._probe()
            except Exception as error:
                why = str(error) or type(error).__name__
                log.log(logging.DEBUG if told else logging.WARNING, "%s: %s", self._store, why)
                told = True
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(2 * pause, LAST_PROBE)
            else:
                break
        self._failures, self._probing = 0, None
        self._closed.set()
        log.info("%s answers", self._store)
