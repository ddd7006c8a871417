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
from functools import cached_property
from hashlib import sha1
from importlib.resources import files
from typing import Any

import msgspec

from fraud_scorer.breaker import Breaker
from fraud_scorer.features.history import Read
from fraud_scorer.features.layout import KindLayout, Layout, Table
from fraud_scorer.features.settings import Settings
from fraud_scorer.features.state import Cells, Totals
from fraud_scorer.redis.resp import (
    Connection,
    RedisAddress,
    RedisAway,
    RedisError,
    Reply,
    command,
    connect,
)

MOST_TOGETHER = 64
"""Transactions a call: Redis serves nobody else meanwhile."""
MOST_UNTOLD = 20_000
"""Transactions kept for a Redis that is away. Beyond that all its histories are to be read anew."""
_CONNECT = 1.0
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


class Script:
    """A script by its digest, with its text for a Redis that does not know it yet."""

    def __init__(self, name: str) -> None:
        self.text = files(__package__).joinpath(name).read_bytes()
        self.digest = sha1(self.text).hexdigest().encode()  # noqa: S324 (Redis calls it so)

    def call(self, keys: Sequence[bytes], argument: bytes) -> bytes:
        return command(b"EVALSHA", self.digest, b"%d" % len(keys), *keys, argument)

    def call_in_full(self, keys: Sequence[bytes], argument: bytes) -> bytes:
        return command(b"EVAL", self.text, b"%d" % len(keys), *keys, argument)


class RedisHistories:
    """Of one layout. Used from the event loop's thread only."""

    def __init__(
        self, address: RedisAddress, layout: Layout, settings: Settings,
        clock: Callable[[], int], *, rebuilt: bool,
    ) -> None:  # fmt: skip
        """`clock` gives microseconds since 1970. `rebuilt` says whether what Redis loses can be
        read from elsewhere."""
        self._address, self._layout, self._settings, self._clock = address, layout, settings, clock
        self._settle = int(settings.settle * _MICROSECONDS) if rebuilt else 0
        ttl = settings.ttl if rebuilt else max(settings.ttl, 1.2 * layout.longest / _MICROSECONDS)
        self._ttl = int(ttl * 1000)
        self._root = f"{settings.prefix}:{layout.digest}:".encode()
        self._born = self._root + b"@born"
        self._kinds = msgspec.Raw(_encode([_kind(one) for one in layout.kinds]))
        self._observe, self._refresh = Script("observe.lua"), Script("refresh.lua")
        self._turn: list[Ask] = []
        self._untold: deque[Ask] = deque()
        self._overflowed = False
        self._connection: Connection | None = None
        self.breaker = Breaker(f"Redis {address.host}:{address.port}", self._probe)

    def start(self) -> None:
        """Look for Redis."""
        self.breaker.start()

    async def aclose(self) -> None:
        """Give up the connection."""
        await self.breaker.aclose()
        self._give_up()

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
        if self._connection is None:
            raise RedisAway("there is no connection to Redis")
        shapes = [_SHAPES[table.shape] for table in self._layout.kinds[kind].tables]
        argument = _encode([self._clock(), shapes, [read.stamp, *read.tables]])
        keys = [self._born, self.entity_key(kind, entity)]
        async with asyncio.timeout(_CONNECT):
            try:
                done = await self._connection.send(self._refresh.call(keys, argument))
            except RedisError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
                done = await self._connection.send(self._refresh.call_in_full(keys, argument))
        return done == 1

    def _send_turn(self) -> None:
        turn, self._turn = self._turn, []
        for first in range(0, len(turn), MOST_TOGETHER):
            self._send(turn[first : first + MOST_TOGETHER])

    def _send(self, asks: list[Ask]) -> None:
        if self._connection is None or not self.breaker.closed:
            _fail(asks, "Redis is away")
            return
        keys, argument = self._packed(asks)
        call = _Call(asks, keys, argument)
        sent = self._connection.send(self._observe.call(keys, argument))
        call.timer = asyncio.get_running_loop().call_later(
            self._settings.redis_deadline, self._late, call
        )
        sent.add_done_callback(lambda future: self._replied(call, future))

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

    def _replied(self, call: _Call, future: asyncio.Future[Reply]) -> None:
        if call.late:
            # Its questions were answered without. (An exception must be asked for all the same.)
            future.exception()
            return
        try:
            replies = _decode(future.result())  # type: ignore[arg-type]
        except (RedisError, msgspec.DecodeError, TypeError) as error:
            if str(error).startswith("NOSCRIPT") and self._connection is not None:
                again = self._connection.send(self._observe.call_in_full(call.keys, call.argument))
                again.add_done_callback(lambda future: self._replied(call, future))
                return
            call.cancel()
            self.breaker.failed(at_once=isinstance(error, RedisAway))
            _fail(call.asks, f"Redis: {error}")
            return
        call.cancel()
        self.breaker.succeeded()
        for ask, (read_at, *totals) in zip(call.asks, replies, strict=True):
            for index, one in enumerate(totals):
                if type(one) is dict:
                    totals[index] = self._missing(one["missing"])
            ask.answered(read_at, totals, "")
        self._tell()

    def _missing(self, keys: list[str]) -> Missing:
        start = len(self._root) + 1
        return Missing(frozenset(key[start:] for key in keys))

    def _tell(self) -> None:
        """Some of what was not told: the rest when Redis has answered this."""
        if self._untold and self.breaker.closed:
            count = min(len(self._untold), MOST_TOGETHER)
            self._send([self._untold.popleft() for _ in range(count)])

    def _late(self, call: _Call) -> None:
        call.late = True
        self.breaker.failed()
        if not self.breaker.closed:
            self._give_up()
        _fail(call.asks, "Redis did not answer in time")

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.lost = None
            self._connection.abort()
            self._connection = None

    def _lost(self) -> None:
        self.breaker.failed(at_once=True)

    async def _probe(self) -> None:
        """A connection by which Redis answers as fast as a request needs it."""
        self._give_up()
        self._connection = connection = await connect(self._address, _CONNECT)
        async with asyncio.timeout(self._settings.redis_deadline):
            await connection.send(command(b"PING"))
        if self._overflowed:
            async with asyncio.timeout(_CONNECT):
                await connection.send(command(b"DEL", self._born))
            self._overflowed = False
        connection.lost = self._lost
        asyncio.get_running_loop().call_soon(self._tell)


@dataclass(slots=True)
class _Call:
    """Questions that were sent together."""

    asks: list[Ask]
    keys: list[bytes]
    argument: bytes
    timer: asyncio.TimerHandle | None = None
    late: bool = False

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def _fail(asks: list[Ask], why: str) -> None:
    for ask in asks:
        ask.answered(0, (), why)


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
