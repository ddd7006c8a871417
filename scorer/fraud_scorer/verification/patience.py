"""A store that is away is asked again for a while; what it says about the bytes counts at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from fraud_scorer.artifact.store import Unavailable

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0

T = TypeVar("T")


class Patience:
    """How long to go on asking, from now on and for all questions together."""

    def __init__(
        self,
        seconds: float,
        *,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._until = clock() + seconds
        self._say, self._clock, self._sleep = say, clock, sleep

    def ask(self, question: Callable[[], T]) -> T:
        """The answer. Raises Unavailable when patience is at its end, and whatever else is raised
        at once."""
        pause = FIRST_PAUSE
        while True:
            try:
                return question()
            except Unavailable as error:
                if self._clock() + pause > self._until:
                    raise
                self._say(f"{error.reason}: {error}; trying again in {pause:g} s")
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
