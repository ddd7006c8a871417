"""When to stop putting back what another manager keeps changing.

Three reverts of one child within five minutes, all against the same manager, and the child is left
as it is until the oldest of them is five minutes old. So a rival costs three writes in five minutes
at most, and the operator finds out by itself when the rival has gone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fraud_operator.observe.store import Key

REVERTS = 3
WINDOW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Rival:
    """Somebody who changes what we own, and when it is worth putting it back once more."""

    manager: str
    again_after: float


class Contention:
    """Remembers reverts, in memory only: after a restart a rival has the benefit of the doubt."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reverts: dict[Key, dict[tuple[str, str, str], deque[float]]] = {}

    def rival(self, key: Key, kind: str, name: str, managers: Iterable[str]) -> Rival | None:
        """The one among `managers` against whom another revert of that child would be a fight."""
        now = self._clock()
        for manager in managers:
            times = self._reverts.get(key, {}).get((kind, name, manager))
            if times is not None and len(times) == REVERTS and times[0] > now - WINDOW_SECONDS:
                return Rival(manager, times[0] + WINDOW_SECONDS - now)
        return None

    def reverted(self, key: Key, kind: str, name: str, managers: Iterable[str]) -> None:
        """A revert of that child against `managers` was made just now."""
        for manager in managers:
            times = self._reverts.setdefault(key, {}).setdefault(
                (kind, name, manager), deque(maxlen=REVERTS)
            )
            times.append(self._clock())

    def forget(self, key: Key) -> None:
        """The detector is gone."""
        self._reverts.pop(key, None)
