"""How far in the future a transaction may have happened: clocks differ, but not by more than that.

Windows of an entity end with its newest bucket, so one event of next year would blind them until
then; nobody is told of it later than by a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fraud_scorer.problem import INVALID, Problem, field_error

AHEAD = timedelta(minutes=5)


def system_clock() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


class Horizon:
    """Looks at the clock only for what is later than all that was well before."""

    __slots__ = ("_clock", "_latest")

    def __init__(self, clock: Callable[[], datetime] = system_clock) -> None:
        self._clock = clock
        self._latest = datetime.min.replace(tzinfo=UTC)

    def check(self, event_time: datetime) -> None:
        """Raise the Problem of an event that lies too far ahead."""
        if event_time > self._latest:
            self._latest = self._clock() + AHEAD
            if event_time > self._latest:
                minutes = AHEAD // timedelta(minutes=1)
                error = field_error(
                    ["event_time"],
                    f"lies more than {minutes} minutes ahead of this service's clock"
                    f" ({self._clock().isoformat(timespec='seconds')}): send when it happened, with"
                    " its offset, and check both clocks",
                )
                raise Problem(INVALID, f"{error.pointer} {error.detail}", [error])
