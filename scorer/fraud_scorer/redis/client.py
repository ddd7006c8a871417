"""Redis, for all of a process that asks it: one connection, one deadline, one breaker.

Who asks puts together what a turn of the event loop has to ask, and calls a script with it. What
several of them send in one turn leaves in one write. A call that is not answered in time has
failed; after a few of these nobody waits any more until Redis answers again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from fraud_scorer.breaker import Breaker
from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.errors import RedisAway, RedisError
from fraud_scorer.redis.resp import Connection, Reply, command, connect
from fraud_scorer.redis.script import Script

DEADLINE = 0.005
"""Seconds that an answer waits for Redis."""
_CONNECT = 1.0
_LAST = 0.25


class RedisClient:
    """Of one event loop. Whoever made it starts and closes it."""

    def __init__(self, where: Callable[[], RedisAddress], deadline: float = DEADLINE) -> None:
        """`where` is asked at each connection, and may raise RedisError."""
        self._where, self._deadline = where, deadline
        self._connection: Connection | None = None
        self._under_way: list[_Call] = []
        self._watching = False
        self.prepare: list[Callable[[Connection], Awaitable[None]]] = []
        """What is to be done by each new connection before it is used."""
        self.back: list[Callable[[], None]] = []
        """Told when Redis answers (again)."""
        self.breaker = Breaker("Redis", self._probe)

    def start(self) -> None:
        """Look for Redis."""
        self.breaker.start()

    async def aclose(self) -> None:
        """Give up the connection, once Redis has done what it was sent; but do not wait long."""
        if self._connection is not None and self.usable:
            with suppress(RedisError, TimeoutError):
                async with asyncio.timeout(_LAST):
                    await self._connection.send(command(b"PING"))
        await self.breaker.aclose()
        self._give_up()

    @property
    def usable(self) -> bool:
        """Whether it is worth asking."""
        return self._connection is not None and self.breaker.closed

    def call(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes],
        answered: Callable[[Reply], None], failed: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Run a script: one of the two is called, neither may raise, `failed` with the reason."""
        if self._connection is None or not self.breaker.closed:
            failed("Redis is away")
            return
        call = _Call(self, script, keys, arguments, answered, failed)
        if not self._under_way or self._under_way[-1].due < math.inf:
            asyncio.get_running_loop().call_soon(self._sent)
        self._under_way.append(call)
        self._connection.ask(script.call(keys, arguments), call.replied)

    async def run(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes], patience: float
    ) -> Reply:
        """Run a script for which no request waits. Raises RedisError, TimeoutError."""
        if self._connection is None:
            raise RedisAway("there is no connection to Redis")
        async with asyncio.timeout(patience):
            try:
                return await self._connection.send(script.call(keys, arguments))
            except RedisError as error:
                if not _is_unknown(error):
                    raise
                return await self._connection.send(script.call_in_full(keys, arguments))

    def _answered(self, call: _Call, reply: Reply | RedisError) -> None:
        """What Redis said to a call that still waits for it."""
        if isinstance(reply, RedisError):
            if _is_unknown(reply) and self._connection is not None:
                text = call.script.call_in_full(call.keys, call.arguments)
                self._connection.ask(text, call.replied)
                return
            self._end(call)
            self.breaker.failed(str(reply), at_once=isinstance(reply, RedisAway))
            call.failed(f"Redis: {reply}")
            return
        self._end(call)
        self.breaker.succeeded()
        call.answered(reply)

    def _end(self, call: _Call) -> None:
        call.ended = True
        self._under_way.remove(call)  # mostly the first

    def _sent(self) -> None:
        """All that was asked is on its way by now. The turn in which it was may have taken long,
        before or after that: this is no time that Redis had."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._deadline
        for one in reversed(self._under_way):
            if one.due < math.inf:
                break
            one.due = due
        self._watch_on()

    def _watch_on(self) -> None:
        """See to it that the first that is under way is not waited for too long."""
        if not self._watching and self._under_way and self._under_way[0].due < math.inf:
            self._watching = True
            asyncio.get_running_loop().call_at(self._under_way[0].due, self._watch)

    def _watch(self) -> None:
        """Somebody is late, it seems. But a loop that was held up finds its timers before its
        sockets, so what has come is read first."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._give_up_late, loop.time())

    def _give_up_late(self, now: float) -> None:
        late = [one for one in self._under_way if one.due <= now]
        for one in late:
            self._end(one)
        if late:
            self.breaker.failed("no answer in time")
            if not self.breaker.closed:
                self._give_up()
        self._watching = False
        self._watch_on()
        for one in late:
            one.failed("Redis did not answer in time")

    def _give_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            calls, self._under_way = self._under_way, []
            for one in calls:
                one.ended = True
            connection.lost = None
            connection.abort()
            for one in calls:
                one.failed("the connection to Redis was given up")

    def _lost(self) -> None:
        self.breaker.failed("the connection was lost", at_once=True)

    async def _probe(self) -> None:
        """A connection by which Redis answers as fast as a request needs it."""
        self._give_up()
        self._connection = connection = await connect(self._where(), _CONNECT)
        async with asyncio.timeout(self._deadline):
            await connection.send(command(b"PING"))
        async with asyncio.timeout(_CONNECT):
            for prepare in self.prepare:
                await prepare(connection)
        connection.lost = self._lost
        for told in self.back:
            asyncio.get_running_loop().call_soon(told)


@dataclass(slots=True, eq=False)
class _Call:
    """A script that was sent."""

    client: RedisClient
    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[bytes]
    answered: Callable[[Reply], None]
    failed: Callable[[str], None]
    due: float = math.inf
    """Unknown until it was sent."""
    ended: bool = False

    def replied(self, reply: Reply | RedisError) -> None:
        """What came is for nobody where it came too late."""
        if not self.ended:
            self.client._answered(self, reply)


def _is_unknown(error: RedisError) -> bool:
    return str(error).startswith("NOSCRIPT")
