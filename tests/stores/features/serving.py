"""Transactions answered as a server would: by real stores, on a clock that tells their times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.history import History
from fraud_scorer.features.layout import Layout, layout
from fraud_scorer.features.offline import Event
from fraud_scorer.features.online import Answer, OnlineFeatures
from fraud_scorer.features.settings import Settings
from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.client import RedisClient
from fraud_scorer.redis.resp import command, connect
from tests.stores.features.memory_history import MemoryHistory

PATIENT = Settings(ttl=1e6, retries=1e9, settle=0.001, history_deadline=20.0, rebuilds=10_000)
"""For tests of what is answered, not of how long it takes: nothing is given up or forgotten."""


class Clock:
    """Microseconds, as it is told."""

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Server:
    """Answers events as they come, and tells the store of record of each once it was answered."""

    def __init__(
        self, of: Sequence[Any] | Layout, redis: RedisAddress, history: History | None = None,
        settings: Settings = PATIENT, now: int = 0, redis_deadline: float = 20.0,
    ) -> None:  # fmt: skip
        self.layout = of if isinstance(of, Layout) else layout(of)
        self._address = redis
        self.clock = Clock(now)
        self.memory = MemoryHistory()
        self.redis = RedisClient(lambda: redis, redis_deadline)
        self.online = OnlineFeatures(
            self.layout, self.redis, history or self.memory, settings, self.clock
        )

    async def answer(self, *transactions: Transaction) -> list[Answer]:
        """All in one turn of the event loop, in this order."""
        self.clock.now = max(self.clock.now, *(one.time for one in transactions))
        answers = await asyncio.gather(*map(self.online.ask, transactions))
        for one in transactions:
            new = self.memory.transaction(one.id) is None
            self.memory.record(one)
            if new and self.memory.label(one.id):
                # A label was recorded before its transaction was.
                await self.online.refresh(self.entities_of(one.id))
        return list(answers)

    async def replay(self, events: Iterable[Event], together: int = 1) -> list[Answer]:
        """The answers to the transactions among the events, so many of which come together."""
        answers: list[Answer] = []
        for is_transaction, run in groupby(events, lambda one: isinstance(one, Transaction)):
            its = list(run)
            if is_transaction:
                for first in range(0, len(its), together):
                    answers += await self.answer(*its[first : first + together])  # type: ignore[arg-type]
            else:
                await self.learn(its)
        return answers

    async def learn(self, events: Iterable[Event]) -> None:
        """Labels and attributes are recorded, and then taken over."""
        named = []
        for event in events:
            self.memory.record(event)
            if isinstance(event, Label):
                named += self.entities_of(event.transaction_id)
            elif isinstance(event, Attribute):
                named.append((event.entity, event.id))
        await self.online.refresh(dict.fromkeys(named))

    def entities_of(self, transaction_id: str) -> list[tuple[str, str]]:
        """Whose histories a label changes."""
        one = self.memory.transaction(transaction_id)
        return [] if one is None else list(one.entities.items())


@asynccontextmanager
async def serving(*arguments: Any, **more: Any) -> AsyncIterator[Server]:
    """A Server whose stores were found, and whose Redis began before any event."""
    server = Server(*arguments, **more)
    await server.online.start(patience=20.0)
    try:
        nobody = {kind.kind: "nobody" for kind in server.layout.kinds}
        await server.online.ask(Transaction("before all", server.clock.now, nobody, 0, "XXX"))
        await _long_ago(server)
        yield server
    finally:
        await server.online.aclose()
        await server.redis.aclose()


async def _long_ago(server: Server) -> None:
    """Have Redis live since before all events: it goes by its own clock, events do not."""
    redis = await connect(server._address, 20.0)
    born = await redis.send(command(b"GET", server.online.redis._born))
    assert isinstance(born, bytes)
    await redis.send(command(b"SET", server.online.redis._born, born[:8] + bytes(8)))
    redis.abort()
