"""Being asked to stop, once or twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """Signals that mean to stop: the first time in good order, the second time at once."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self.asked, self.insisted = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, self.ask)

    def ask(self) -> None:
        """Somebody asks; whoever does so twice insists."""
        if self.asked.is_set():
            self.insisted.set()
        self.asked.set()

    def insist(self) -> None:
        """There is nothing to wait for."""
        self.ask()
        self.insisted.set()

    async def unless(self, work: Awaitable[T]) -> T | None:
        """The work's result, or None where to stop comes first."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.asked.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            return None
        return working.result()
