"""The declared features of a transaction as it comes: Redis's, else Postgres's, else defaults.

    answer = await online.ask(transaction)
    row = model.inputs.row(request.features, answer.values)

Nothing here raises for a store's sake, and nothing waits longer than twice Redis's deadline and
once Postgres's: what an answer had to do without is in its `degraded`.
"""

from __future__ import annotations

import asyncio
import time as clocks
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features import state
from fraud_scorer.features.events import Transaction
from fraud_scorer.features.history import History, HistoryAway, Read
from fraud_scorer.features.layout import Layout
from fraud_scorer.features.rebuild import Flown, Rebuilder
from fraud_scorer.features.redis import Ask, Entity, How, Missing, RedisHistories
from fraud_scorer.features.settings import Settings
from fraud_scorer.features.state import Totals
from fraud_scorer.features.values import Values
from fraud_scorer.redis.client import RedisClient

WITHOUT_REDIS = "features.redis"
"""Redis did not answer in time, and this transaction is not counted in it yet."""
WITHOUT_POSTGRES = "features.postgres"
"""A history was missing, and Postgres did not give it in time."""
WITH_DEFAULTS = "features.defaults"
"""Some features have the population's values, as the entity's own are not known."""


class Answer(msgspec.Struct, frozen=True):
    """The declared features of a transaction, of what was before it."""

    values: Mapping[str, Value]
    age_ms: float
    """How long ago they were read; of a repeated transaction, when it came first."""
    degraded: tuple[str, ...] = ()


def system_clock() -> int:
    """Microseconds since 1970."""
    return clocks.time_ns() // 1000


class OnlineFeatures:
    """Of one layout: models with equal declarations share it. Used from the event loop's thread."""

    def __init__(
        self, layout: Layout, redis: RedisClient, history: History | None,
        settings: Settings | None = None, clock: Callable[[], int] = system_clock,
    ) -> None:  # fmt: skip
        """Without a `history` nothing is known of an entity before it was first seen here. `redis`
        may be others' too: who made it closes it."""
        settings = settings or Settings()
        self.layout, self._settings, self._clock = layout, settings, clock
        self._values = Values(layout)
        self._breaker = redis.breaker
        self.redis = RedisHistories(redis, layout, settings, clock, rebuilt=history is not None)
        self.rebuilder = None if history is None else Rebuilder(history, settings)
        self._history = history
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, patience: float = 1.0) -> None:
        """Look for the stores, and wait for them, but not for long: they may come later."""
        breakers = [self._breaker]
        if self.rebuilder is not None:
            breakers.append(self.rebuilder.breaker)
        for one in breakers:
            one.start()
        waits = [asyncio.create_task(one.wait_closed()) for one in breakers]
        await asyncio.wait(waits, timeout=patience)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def aclose(self) -> None:
        """End what goes on in the background."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.redis.leave()
        if self.rebuilder is not None:
            await self.rebuilder.aclose()

    def ask(self, transaction: Transaction) -> asyncio.Future[Answer]:
        """Its features; from then on it counts for others."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def told(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        self.tell(transaction, told)
        return future

    def tell(self, transaction: Transaction, done: Callable[[Answer], None]) -> None:
        """The same, for whoever has many: `done` gets the answer once it is there. It must not
        raise."""
        entities = self._entities(transaction)
        if not entities:
            done(Answer(self._values.defaults, 0.0))
            return

        def answered(read_at: int, totals: Sequence[Any], known: bool, why: str) -> None:
            if known:
                done(self._known(transaction, entities, totals, read_at))
            elif why and not self._worth_reading:
                self.redis.tell_later(ask, accepted)
                nothing = [None] * len(entities)
                done(self._answer(transaction, entities, nothing, 0, (WITHOUT_REDIS,)))
            elif why or Missing in map(type, totals):
                asking = _Asking(self, transaction, ask, done)
                task = asyncio.get_running_loop().create_task(
                    asking.the_long_way(read_at, totals, why)
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                done(self._answer(transaction, entities, totals, read_at, ()))

        accepted = self._clock()
        strict = self.rebuilder is not None and self.rebuilder.breaker.closed
        ask = Ask(
            self.redis.transaction_key(transaction.id), transaction.time, entities,
            How.STRICT if strict else How.LENIENT, answered, transaction.mark,
        )  # fmt: skip
        self.redis.ask(ask)

    @property
    def _worth_reading(self) -> bool:
        """Whether Postgres is asked in place of Redis: where Redis is away, not where it is late
        once (who is busy is not helped by more work), and only so many at once."""
        rebuilder = self.rebuilder
        return not self._breaker.closed and rebuilder is not None and rebuilder.has_room

    async def refresh(self, named: Iterable[tuple[str, str]]) -> None:
        """Labels or attributes of these entities (kind and id) were recorded: take them over.

        Raises HistoryAway or RedisError: then it is to be tried again.
        """
        if self._history is None:
            return
        now = self._clock()
        kinds = {
            one.kind: index
            for index, one in enumerate(self.layout.kinds)
            if any(table.shape in ("labels", "attributes") for table in one.tables)
        }
        for name, entity in named:
            kind = kinds.get(name)
            if kind is not None:
                read = await self._history.read(
                    self.layout.kinds[kind], entity, time=now, now=now, excluding=()
                )
                await self.redis.refresh(kind, entity, read)

    def _entities(self, transaction: Transaction) -> list[Entity]:
        found = []
        named = transaction.entities
        for index, kind in enumerate(self.layout.kinds):
            if kind.kind in named:
                entity = named[kind.kind]
                key = self.redis.entity_key(index, entity)
                found.append(Entity(index, entity, key, state.cells(kind, transaction)))
        return found

    def _answer(
        self, transaction: Transaction, entities: Sequence[Entity], totals: Sequence[Any],
        read_at: int, degraded: Sequence[str],
    ) -> Answer:  # fmt: skip
        """`totals` are those of `entities`, None where nothing is known."""
        by_kind: list[Totals | None] = [None] * len(self.layout.kinds)
        unknown = False
        for entity, its in zip(entities, totals, strict=True):
            by_kind[entity.kind] = its or None
            if not its or state.unknown(self.layout.kinds[entity.kind], its):
                unknown = True
        if unknown:
            degraded = (*degraded, *self._why_unknown(degraded), WITH_DEFAULTS)
        age = max(self._clock() - read_at, 0) // 1000 if read_at else 0
        return Answer(self._values.of(by_kind, transaction.time), float(age), tuple(degraded))

    def _known(
        self, transaction: Transaction, entities: Sequence[Entity], totals: Sequence[Totals],
        read_at: int,
    ) -> Answer:  # fmt: skip
        """Where nothing is missing."""
        by_kind: Sequence[Totals | None] = totals
        if len(totals) < len(self.layout.kinds):
            found = {one.kind: its for one, its in zip(entities, totals, strict=True)}
            by_kind = [found.get(kind) for kind in range(len(self.layout.kinds))]
        age = self._clock() - read_at
        return Answer(
            self._values.of(by_kind, transaction.time), float(age // 1000) if age > 0 else 0.0
        )

    def _why_unknown(self, degraded: Sequence[str]) -> Sequence[str]:
        """Redis alone answered, and Postgres was not even asked."""
        spared = self.rebuilder is not None and not self.rebuilder.breaker.closed
        return (WITHOUT_POSTGRES,) if spared and WITHOUT_POSTGRES not in degraded else ()


class _Asking:
    """A question that Redis alone did not answer."""

    def __init__(
        self, online: OnlineFeatures, transaction: Transaction, ask: Ask,
        done: Callable[[Answer], None],
    ) -> None:  # fmt: skip
        self._online, self._transaction, self._ask, self._done = online, transaction, ask, done
        self._accepted = online._clock()
        self._degraded: list[str] = []

    async def the_long_way(self, read_at: int, totals: Sequence[Any], why: str) -> None:
        """Read what is missing, have it counted, and answer."""
        entities = self._ask.entities
        known = list(totals) if totals else [Missing()] * len(entities)
        deadline = asyncio.get_running_loop().time() + self._online._settings.history_deadline
        flown = await asyncio.gather(
            *(
                _nothing() if its else self._read(entity, its, deadline)
                for entity, its in zip(entities, known, strict=True)
            )
        )
        counted = None if why else await self._count(flown)
        if counted is not None:
            read_at, known = counted
        else:
            self._degraded.insert(0, WITHOUT_REDIS)
            self._online.redis.tell_later(self._ask, self._accepted)
            known = [
                its or (one and self._totals(entity, one.read))
                for entity, its, one in zip(entities, known, flown, strict=True)
            ]
        self._done(
            self._online._answer(self._transaction, entities, known, read_at, self._degraded)
        )

    async def _read(self, entity: Entity, its: Missing, deadline: float) -> Flown | None:
        rebuilder = self._online.rebuilder
        if rebuilder is None:
            return None
        try:
            return await rebuilder.read(
                self._online.layout.kinds[entity.kind], entity.id,
                excluding={self._transaction.id, *its.excluding}, time=self._transaction.time,
                now=self._online._clock(), deadline=deadline,
            )  # fmt: skip
        except HistoryAway:
            if WITHOUT_POSTGRES not in self._degraded:
                self._degraded.append(WITHOUT_POSTGRES)
            return None

    async def _count(self, flown: Sequence[Flown | None]) -> tuple[int, list[Any]] | None:
        """Have Redis take over what was read; when it was read and the totals, or None."""
        for entity, one in zip(self._ask.entities, flown, strict=True):
            entity.given = None if one is None or one.joined else one.read
        if any(one is not None and one.joined for one in flown):
            found = await self._again(How.STRICT)
            if found is None or all(found[1]):
                return found
        return await self._again(How.LENIENT)

    async def _again(self, how: How) -> tuple[int, list[Any]] | None:
        """Ask Redis once more, with what was read; None where it does not answer."""
        future: asyncio.Future[tuple[int, Sequence[Any], str]]
        future = asyncio.get_running_loop().create_future()

        def answered(read_at: int, totals: Sequence[Any], known: bool, why: str) -> None:
            if not future.done():
                future.set_result((read_at, totals, why))

        ask = Ask(self._ask.key, self._ask.time, self._ask.entities, how, answered, self._ask.mark)
        self._online.redis.ask(ask)
        read_at, totals, why = await future
        return None if why else (read_at, list(totals))

    def _totals(self, entity: Entity, read: Read) -> Totals:
        kind = self._online.layout.kinds[entity.kind]
        return state.totals(kind, read.tables, entity.cells)


async def _nothing() -> None:
    return None
