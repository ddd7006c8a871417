"""The histories in Redis: all requests of a turn of the event loop in one call of one script.

`RedisHistories` puts questions (`Ask`) together, sends them, and hands each its totals, or says
that Redis did not answer in time. What may not have been counted for that reason is kept and told
later; it carries its transaction's id, so that telling twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property, partial
from typing import Any

import msgspec

from fraud_scorer.features.history import Read
from fraud_scorer.features.layout import KindLayout, Layout, Table
from fraud_scorer.features.settings import Settings
from fraud_scorer.features.state import Cells, Totals
from fraud_scorer.redis.client import RedisClient
from fraud_scorer.redis.resp import Connection, Reply, command
from fraud_scorer.redis.script import Script

MOST_TOGETHER = 64
"""Transactions a call: Redis serves nobody else meanwhile."""
MOST_UNTOLD = 20_000
"""Transactions kept for a Redis that is away. Beyond that all its histories are to be read anew."""
_PATIENCE = 1.0
_SHAPES = {"sums": 1, "distinct": 2, "labels": 3, "attributes": 4}
_MICROSECONDS = 1_000_000

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class How(IntEnum):
    """What a script is to do with a history that is not (wholly) there."""

    STRICT = 0
    """Say so, and touch nothing."""
    LENIENT = 1
    """Begin one that knows nothing of the time before."""
    AFTERWARDS = 2
    """Nothing: the transaction was answered already, and is only to be counted."""


@dataclass(slots=True)
class Entity:
    """One entity of a transaction."""

    kind: int
    """Position among the layout's kinds."""
    id: str
    key: bytes
    cells: Cells
    given: Read | None = None
    """What Postgres has of it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An entity's history must be read first, without these transactions: Redis has them."""

    excluding: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return False


@dataclass(slots=True)
class Ask:
    """One transaction's question. `answered` gets the time of reading (microseconds) and the totals
    of each entity (or what is `Missing`), or an error's text."""

    key: bytes
    time: int
    entities: list[Entity]
    how: How
    answered: Callable[[int, Sequence[Any], str], None]
    accepted: int = 0


class RedisHistories:
    """Of one layout. Used from the event loop's thread only."""

    def __init__(
        self, redis: RedisClient, layout: Layout, settings: Settings, clock: Callable[[], int], *,
        rebuilt: bool,
    ) -> None:  # fmt: skip
        """`clock` gives microseconds since 1970. `rebuilt` says whether what Redis loses can be
        read from elsewhere."""
        self._redis, self._layout, self._settings, self._clock = redis, layout, settings, clock
        self._settle = int(settings.settle * _MICROSECONDS) if rebuilt else 0
        ttl = settings.ttl if rebuilt else max(settings.ttl, 1.2 * layout.longest / _MICROSECONDS)
        self._ttl = int(ttl * 1000)
        self._root = f"{settings.prefix}:{layout.digest}:".encode()
        self._born = self._root + b"@born"
        self._kinds = msgspec.Raw(_encode([_kind(one) for one in layout.kinds]))
        self._observe = Script(__package__, "observe.lua")
        self._refresh = Script(__package__, "refresh.lua")
        self._turn: list[Ask] = []
        self._untold: deque[Ask] = deque()
        self._overflowed = False
        redis.prepare.append(self._make_good)
        redis.back.append(self._tell)

    def leave(self) -> None:
        """Have nothing to do with Redis any more."""
        self._redis.prepare.remove(self._make_good)
        self._redis.back.remove(self._tell)

    def transaction_key(self, transaction_id: str) -> bytes:
        """Where it is remembered that a transaction was counted."""
        return self._root + b"#" + transaction_id.encode()

    def entity_key(self, kind: int, entity: str) -> bytes:
        """Where an entity's history is."""
        return self._roots[kind] + entity.encode()

    @cached_property
    def _roots(self) -> list[bytes]:
        return [self._root + one.kind.encode() + b":" for one in self._layout.kinds]

    def ask(self, ask: Ask) -> None:
        """Have it answered with all others of this turn of the event loop."""
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._send_turn)
        self._turn.append(ask)

    def tell_later(self, ask: Ask, accepted: int) -> None:
        """Count a transaction once Redis answers again."""
        if len(self._untold) >= MOST_UNTOLD:
            self._untold.clear()
            self._overflowed = True
            log.warning("too much was not told to Redis: all its histories will be read anew")
        entities = [replace(one, given=None) for one in ask.entities]
        later = Ask(ask.key, ask.time, entities, How.AFTERWARDS, _nobody, accepted)

        def told(read_at: int, totals: Sequence[Any], why: str) -> None:
            if why:
                self.tell_later(later, accepted)

        later.answered = told
        self._untold.append(later)

    async def refresh(self, kind: int, entity: str, read: Read) -> bool:
        """Put labels and attributes as they were read in place of those in Redis; whether there
        was a history to put them in. Raises RedisError."""
        shapes = [_SHAPES[table.shape] for table in self._layout.kinds[kind].tables]
        argument = _encode([self._clock(), shapes, [read.stamp, *read.tables]])
        keys = [self._born, self.entity_key(kind, entity)]
        return await self._redis.run(self._refresh, keys, [argument], _PATIENCE) == 1

    def _send_turn(self) -> None:
        turn, self._turn = self._turn, []
        for first in range(0, len(turn), MOST_TOGETHER):
            self._send(turn[first : first + MOST_TOGETHER])

    def _send(self, asks: list[Ask]) -> None:
        if not self._redis.usable:
            _fail(asks, "Redis is away")
            return
        keys, argument = self._packed(asks)
        self._redis.call(
            self._observe, keys, [argument], partial(self._replied, asks), partial(_fail, asks)
        )

    def _packed(self, asks: list[Ask]) -> tuple[list[bytes], bytes]:
        keys = [self._born]
        transactions = []
        for ask in asks:
            keys.append(ask.key)
            ttl = int(self._ttl * (0.9 + 0.2 * random.random()))  # noqa: S311
            packed: list[Any] = [ask.how, ask.time, ttl, ask.accepted]
            for one in ask.entities:
                keys.append(one.key)
                given = one.given is not None and [one.given.stamp, *one.given.tables]
                packed.append((one.kind + 1, one.cells, given))
            transactions.append(packed)
        argument = _encode(
            (
                self._clock(), int(self._settings.retries * _MICROSECONDS), self._settle,
                secrets.token_hex(6), self._kinds, transactions,
            )
        )  # fmt: skip
        return keys, argument

    def _replied(self, asks: list[Ask], reply: Reply) -> None:
        try:
            replies = _decode(reply)  # type: ignore[arg-type]
        except (msgspec.DecodeError, TypeError) as error:
            _fail(asks, f"Redis: {error}")
            return
        for ask, (read_at, *totals) in zip(asks, replies, strict=True):
            for index, one in enumerate(totals):
                if type(one) is dict:
                    totals[index] = self._missing(one["missing"])
            _answer(ask, read_at, totals, "")
        self._tell()

    def _missing(self, keys: list[str]) -> Missing:
        start = len(self._root) + 1
        return Missing(frozenset(key[start:] for key in keys))

    def _tell(self) -> None:
        """Some of what was not told: the rest when Redis has answered this."""
        if self._untold and self._redis.usable:
            count = min(len(self._untold), MOST_TOGETHER)
            self._send([self._untold.popleft() for _ in range(count)])

    async def _make_good(self, connection: Connection) -> None:
        """Have histories read anew that lack what nobody can tell any more."""
        if self._overflowed:
            await connection.send(command(b"DEL", self._born))
            self._overflowed = False


def _answer(ask: Ask, read_at: int, totals: Sequence[Any], why: str) -> None:
    """Answer once, and let go: who asked holds the question, and a circle lives until the
    interpreter looks for such."""
    answered, ask.answered = ask.answered, _nobody
    answered(read_at, totals, why)


def _fail(asks: list[Ask], why: str) -> None:
    for ask in asks:
        _answer(ask, 0, (), why)


def _nobody(read_at: int, totals: Sequence[Totals], why: str) -> None:
    """Nobody waits."""


def _kind(kind: KindLayout) -> list[list[Any]]:
    return [_table(one) for one in kind.tables]


def _table(table: Table) -> list[Any]:
    shape = _SHAPES[table.shape]
    if table.shape == "attributes":
        return [shape, len(table.names)]
    flat = [number for window in table.windows for number in window]
    return [shape, table.keep, table.most, table.width, flat]
