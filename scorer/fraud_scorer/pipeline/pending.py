"""An answer that is not there yet, as a store is asked or a disk is waited for.

A future of asyncio would do, and cost every such answer another turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Comes to one outcome, which one listener is told of. Used from the event loop's thread."""

    __slots__ = ("_listener", "_outcome")

    def __init__(self) -> None:
        self._outcome: T | Exception | None = None
        self._listener: Callable[[T | Exception], None] | None = None

    def then(self, told: Callable[[T | Exception], None]) -> None:
        """Call with the outcome, once: what was wanted, or why there is none. `told` must not
        raise."""
        if self._outcome is None:
            self._listener = told
        else:
            told(self._outcome)

    def resolve(self, outcome: T | Exception) -> None:
        """This is the outcome; any other that comes later is none."""
        if self._outcome is None:
            self._outcome = outcome
            if self._listener is not None:
                self._listener(outcome)

    @property
    def resolved(self) -> bool:
        """Whether there is an outcome."""
        return self._outcome is not None

    def now(self) -> T:
        """What was wanted, where there is an outcome. Raises the reason why there is none."""
        if isinstance(self._outcome, Exception):
            raise self._outcome
        if self._outcome is None:
            raise RuntimeError("there is no outcome yet")
        return self._outcome

    async def wait(self) -> T:
        """What was wanted. Raises the reason why there is none."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def told(outcome: T | Exception) -> None:
            if future.done():  # whoever waited has gone
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.then(told)
        return await future
