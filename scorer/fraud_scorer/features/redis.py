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
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from itertools import cycle
from struct import Struct
from typing import Any

import msgspec

from fraud_scorer.features.events import ANY
from fraud_scorer.features.history import Read
from fraud_scorer.features.layout import Layout
from fraud_scorer.features.packing import (
    KNOWN,
    LENGTH,
    NOW,
    OTHER,
    REMEMBERED,
    TRANSACTION,
    PackedKind,
    told,
)
from fraud_scorer.features.settings import Settings
from fraud_scorer.features.state import Cells
from fraud_scorer.redis.client import RedisClient
from fraud_scorer.redis.resp import Connection, Reply, command
from fraud_scorer.redis.script import Script

MOST_TOGETHER = 16
"""Transactions a call: Redis serves nobody else meanwhile, which is less than a millisecond."""
MOST_UNTOLD = 20_000
"""Transactions kept for a Redis that is away. Beyond that all its histories are to be read anew."""
_PATIENCE = 1.0
_MICROSECONDS = 1_000_000
_MARK_BYTES = 6
"""Of the mark of a Redis's life, which are eight characters."""
_READ_AT = Struct("<d")
_LIVES = 64
"""Different times to live, a tenth around the one that is set."""

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode


class How(IntEnum):
    """What a script is to do with a history that is not (wholly) there."""

    STRICT = 0
    """Say so, and touch nothing."""
    LENIENT = 1
    """Begin one that knows nothing of the time before."""
    AFTERWARDS = 2
    """Nothing: the transaction was answered already, and is only to be counted."""


class Entity(msgspec.Struct):
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


class Ask(msgspec.Struct):
    """One transaction's question. `answered` gets the time of reading (microseconds; 0: not read),
    the totals of each entity (or what is `Missing`, or None: nothing is told), and whether all of
    them are known; or an error's text."""

    key: bytes
    time: int
    entities: list[Entity]
    how: How
    answered: Callable[[int, Sequence[Any], bool, str], None]
    mark: bytes = ANY
    """As the transaction has it."""
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
        self._retries = int(settings.retries * _MICROSECONDS)
        self._settle = int(settings.settle * _MICROSECONDS) if rebuilt else 0
        ttl = settings.ttl if rebuilt else max(settings.ttl, 1.2 * layout.longest / _MICROSECONDS)
        # Those who came together do not leave together.
        self._lives = cycle(
            [b"%d\0" % (ttl * random.uniform(900, 1100)) for _ in range(_LIVES)]  # noqa: S311
        )
        self._root = f"{settings.prefix}:{layout.digest}:".encode()
        self._born = self._root + b"@born"
        self._roots = [self._root + one.kind.encode() + b":" for one in layout.kinds]
        self._kinds = [PackedKind(one) for one in layout.kinds]
        self._totals = [one.totals for one in self._kinds]
        self._packed_entity = [one.entity for one in self._kinds]
        self._described = msgspec.Raw(_encode([one.described for one in self._kinds]))
        self._observe = Script(__package__, "history.lua", "observe.lua")
        self._refresh = Script(__package__, "history.lua", "refresh.lua")
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
        entities = [msgspec.structs.replace(one, given=None) for one in ask.entities]
        later = Ask(ask.key, ask.time, entities, How.AFTERWARDS, _nobody, ask.mark, accepted)

        def told(read_at: int, totals: Sequence[Any], known: bool, why: str) -> None:
            if why:
                self.tell_later(later, accepted)

        later.answered = told
        self._untold.append(later)

    async def refresh(self, kind: int, entity: str, read: Read) -> bool:
        """Put labels and attributes as they were read in place of those in Redis; whether there
        was a history to put them in. Raises RedisError."""
        described = self._kinds[kind].described
        argument = _encode([self._clock(), described, [read.stamp, *read.tables]])
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
        now = self._clock()
        keys, arguments = self._packed(asks, now)
        self._redis.call(
            self._observe, keys, arguments, partial(self._replied, asks, now), partial(_fail, asks)
        )

    def _packed(self, asks: list[Ask], now: int) -> tuple[list[bytes], list[bytes]]:
        keys = [self._born, *[ask.key for ask in asks]]
        packed: list[bytes] = []
        given: list[bytes] = []
        kinds, lives, transaction = self._packed_entity, self._lives, TRANSACTION.pack
        for ask in asks:
            entities = ask.entities
            packed.append(transaction(ask.how, len(entities), ask.time, ask.accepted, ask.mark))
            packed.append(next(lives))
            for one in entities:
                keys.append(one.key)
                read = one.given
                packed.append(kinds[one.kind](one.kind, read is not None, one.cells))
                if read is not None:
                    given.append(_encode([read.stamp, *read.tables]))
        about = _encode(
            (
                len(asks),
                now,
                self._retries,
                self._settle,
                secrets.token_urlsafe(_MARK_BYTES),
                self._described,
            )
        )
        return keys, [about, b"".join(packed), *given]

    def _replied(self, asks: list[Ask], now: int, reply: Reply) -> None:
        if type(reply) is not bytes or len(reply) < len(asks):
            _fail(asks, f"Redis: no reply to transactions: {reply!r:.80}")
            return
        at, kinds = len(asks), self._totals
        for ask, letter in zip(asks, reply, strict=False):
            totals: list[Any] = []
            if letter == NOW:
                at += REMEMBERED
                for one in ask.entities:
                    its, at = kinds[one.kind](reply, at + LENGTH)
                    totals.append(its)
                _answer(ask, now, totals, True, "")
            elif letter == OTHER:
                _answer(ask, 0, [None] * len(ask.entities), False, "")
            else:
                (read_at,) = _READ_AT.unpack_from(reply, at)
                at += _READ_AT.size
                for one in ask.entities:
                    its, at = self._one_by_one(one, reply, at)
                    totals.append(its)
                _answer(ask, int(read_at), totals, False, "")
        if self._untold:
            self._tell()

    def _one_by_one(self, entity: Entity, reply: bytes, at: int) -> tuple[Any, int]:
        """An entity's totals, or what is missing; and where that ends."""
        if reply[at] == KNOWN:
            return self._kinds[entity.kind].totals(reply, at + 1)
        keys, at = told(reply, at + 1)
        start = len(self._root) + 1
        return Missing(frozenset(key[start:] for key in keys)), at

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


def _answer(ask: Ask, read_at: int, totals: Sequence[Any], known: bool, why: str) -> None:
    """Answer once, and let go: who asked holds the question, and a circle lives until the
    interpreter looks for such."""
    answered, ask.answered = ask.answered, _nobody
    answered(read_at, totals, known, why)


def _fail(asks: list[Ask], why: str) -> None:
    for ask in asks:
        _answer(ask, 0, (), False, why)


def _nobody(read_at: int, totals: Sequence[Any], known: bool, why: str) -> None:
    """Nobody waits."""
