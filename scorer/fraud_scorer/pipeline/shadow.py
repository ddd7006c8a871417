"""A shadow: a model that scores copies of what others have answered, when there is time.

Copies wait in a short queue, and are scored between requests, a few hundred microseconds at a time.
What does not find a place in the queue is not scored: a shadow never holds up an answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

_LONGEST_QUEUE = 1024
_SLICE_SECONDS = 0.0005


class Shadow:
    """The queue of one process."""

    def __init__(
        self,
        score: Callable[..., None],
        dropped: Callable[[], None],
        later: Callable[[Callable[[], None]], Any],
    ) -> None:
        """`score` takes what `copy` was given, and must not raise. `dropped` is told of each that
        is not scored. `later` calls when the event loop has turned."""
        self._score = score
        self._dropped = dropped
        self._later = later
        self._queue: deque[tuple[Any, ...]] = deque()
        self._waiting = False

    def copy(self, *what: Any) -> None:
        """Score this when there is time, or never."""
        if len(self._queue) >= _LONGEST_QUEUE:
            self._dropped()
            return
        self._queue.append(what)
        if not self._waiting:
            self._waiting = True
            self._later(self._some)

    def _some(self) -> None:
        """Score for a moment."""
        until = time.perf_counter() + _SLICE_SECONDS
        while self._queue:
            self._score(*self._queue.popleft())
            if time.perf_counter() >= until:
                break
        self._waiting = bool(self._queue)
        if self._waiting:
            self._later(self._some)
