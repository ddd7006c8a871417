"""Reads histories from the store of record, and spares it: once for all who wait, and not again
soon where it failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from fraud_scorer.breaker import Breaker
from fraud_scorer.features.history import History, HistoryAway, Read
from fraud_scorer.features.layout import KindLayout
from fraud_scorer.features.settings import Settings

MOST_REMEMBERED = 10_000
"""Entities of which it is remembered that they could not be read, or what was read too late."""

log = logging.getLogger(__name__)

T = TypeVar("T")
_Entity = tuple[str, str]


@dataclass(slots=True)
class _Flight:
    """One reading that some wait for."""

    excluding: set[str] = field(default_factory=set)
    begun: bool = False
    late: bool = False
    task: asyncio.Task[Read] | None = None


@dataclass(frozen=True, slots=True)
class Flown:
    """What came of a wait. Of a reading that was `joined` the transaction may be a part; whoever
    began it brings it to Redis."""

    read: Read
    joined: bool = False


class Rebuilder:
    """Of one event loop."""

    def __init__(self, history: History, settings: Settings) -> None:
        self._history, self._settings = history, settings
        self._flights: dict[_Entity, _Flight] = {}
        self._failed: dict[_Entity, float] = {}
        self._late: dict[_Entity, tuple[float, Read]] = {}
        self.breaker = Breaker("Postgres", history.probe)
        self.reads = 0
        """How often the store was asked for a history."""

    @property
    def has_room(self) -> bool:
        """Whether one more history may be read now."""
        return self.breaker.closed and len(self._flights) < self._settings.rebuilds

    def start(self) -> None:
        """Look for the store."""
        self.breaker.start()

    async def aclose(self) -> None:
        """Read no longer."""
        await self.breaker.aclose()
        tasks = [one.task for one in self._flights.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read(
        self, kind: KindLayout, entity: str, *, excluding: Iterable[str], time: int, now: int,
        deadline: float,
    ) -> Flown:  # fmt: skip
        """An entity's history without those transactions, by `deadline` (of the loop's clock).

        Those who ask in one turn of the event loop share one reading; who comes while one is under
        way joins it. Raises HistoryAway.
        """
        name = (kind.kind, entity)
        loop = asyncio.get_running_loop()
        if not self.breaker.closed:
            raise HistoryAway("Postgres does not answer")
        if self._failed.get(name, 0) > loop.time():
            raise HistoryAway(f"the history of a {kind.kind} could not be read just now")
        if late := self._late.pop(name, None):
            read_at, read = late
            if loop.time() - read_at < self._settings.retry_rebuild:
                return Flown(read)

        flight = self._flights.get(name)
        joined = flight is not None and flight.begun
        if flight is None:
            if len(self._flights) >= self._settings.rebuilds:
                raise HistoryAway(f"{len(self._flights)} histories are being read already")
            flight = self._flights[name] = _Flight()
            flight.task = loop.create_task(self._fly(kind, entity, flight, time, now))
            # Where nobody waits any more, nobody asks what became of it.
            flight.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        flight.excluding.update(excluding)
        assert flight.task is not None  # noqa: S101
        await asyncio.wait({flight.task}, timeout=max(0.0, deadline - loop.time()))
        if not flight.task.done():
            if flight.begun and not flight.late:
                flight.late = True
                self.breaker.failed("no answer in time")
            raise HistoryAway("Postgres did not answer in time")
        return Flown(flight.task.result(), joined)

    async def _fly(
        self, kind: KindLayout, entity: str, flight: _Flight, time: int, now: int
    ) -> Read:
        name = (kind.kind, entity)
        loop = asyncio.get_running_loop()
        # A turn later, so that all of this turn are among those that it leaves out.
        await asyncio.sleep(0)
        flight.begun = True
        self.reads += 1
        try:
            read = await self._history.read(
                kind, entity, time=time, now=now, excluding=sorted(flight.excluding)
            )
        except HistoryAway as error:
            if not flight.late:
                self.breaker.failed(str(error))
            _remember(self._failed, name, loop.time() + self._settings.retry_rebuild)
            log.warning("the history of a %s could not be read: %s", kind.kind, error)
            raise
        finally:
            self._flights.pop(name, None)
        if not flight.late:
            self.breaker.succeeded()
        else:
            # Somebody waits no more; the next who asks need not wait.
            _remember(self._late, name, (loop.time(), read))
        return read


def _remember(known: dict[_Entity, T], name: _Entity, value: T) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.pop(next(iter(known)))
    known[name] = value
