"""Kept features of those whom a label is about, read anew after it was recorded.

It is done behind the answer, one after the other, and tried again where a store is away. What does
not fit is left: a kept history goes by itself after `features.cacheTTL`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

MOST = 50_000

Entity = tuple[str, str]
"""Kind and id."""
Refresh = Callable[[Iterable[Entity]], Awaitable[None]]

_TOGETHER = 100
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

_log = logging.getLogger(__name__)


class Refreshing:
    """Of one event loop. `refresh` takes entities, and raises where it is to be tried again."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh
        self._wanted: dict[Entity, None] = {}
        self._working: asyncio.Task[None] | None = None

    def want(self, entities: Iterable[Entity]) -> None:
        """Have these refreshed."""
        for one in entities:
            if len(self._wanted) >= MOST:
                _log.warning("too many features to refresh: some are as old as they are kept")
                break
            self._wanted[one] = None
        if self._working is None and self._wanted:
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def aclose(self) -> None:
        """Leave what is not done."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._working = None

    async def _work(self) -> None:
        pause = _FIRST_PAUSE
        while self._wanted:
            some = [entity for entity, _ in zip(self._wanted, range(_TOGETHER), strict=False)]
            try:
                await self._refresh(some)
            except Exception as error:  # of whichever store: it is tried again
                _log.warning("features could not be refreshed: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            for one in some:
                self._wanted.pop(one, None)
        self._working = None
