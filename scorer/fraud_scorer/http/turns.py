"""Long work in slices, so that it does not hold up what is short.

A batch is computed on the event loop, where single transactions are answered too. It gets about a
millisecond at a time, and as many steps as stores answer in that time; then the loop turns once,
and whoever came meanwhile is answered. However many batches there are, one slice is computed a
turn: they share what one alone would have had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.001
MOST_STEPS = 32
"""A slice. Redis takes some twenty microseconds for a transaction, so that what a slice asks of it
holds up nobody for longer than a millisecond either, and is there within its deadline."""


class Turns:
    """Whose turn it is. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._one = asyncio.Lock()

    async def slices(self, work: Iterator[T]) -> AsyncIterator[list[T]]:
        """What `work` gives, in as many parts as it takes; the order stays."""
        going_on = True
        while going_on:
            async with self._one:
                part, going_on = self._slice(work)
                await asyncio.sleep(0)
            if part:
                yield part

    def _slice(self, work: Iterator[T]) -> tuple[list[T], bool]:
        """The next part, one step at the least, and whether there may be more."""
        until = self._clock() + SLICE_SECONDS
        part = []
        for result in work:
            part.append(result)
            if len(part) >= MOST_STEPS or self._clock() >= until:
                return part, True
        return part, False
