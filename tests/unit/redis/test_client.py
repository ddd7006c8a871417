"""What is Redis's lateness, and what is the event loop's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from fraud_scorer.redis.client import RedisClient
from fraud_scorer.redis.errors import RedisError
from fraud_scorer.redis.resp import Connection, Reply
from fraud_scorer.redis.script import Script

DEADLINE, TAKEN = 0.2, 0.1
SCRIPT = Script("fraud_scorer.decisions", "claims.lua")


class Written:
    """A connection that writes once the turn of the event loop ends, as uvloop's do, to a Redis
    that then takes its time."""

    def ask(self, data: bytes, replied: Callable[[Reply | RedisError], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_later, TAKEN, replied, b"N")


async def test_a_turn_that_takes_long_is_no_time_that_redis_had() -> None:
    client = RedisClient(lambda: None, DEADLINE)  # type: ignore[arg-type, return-value]
    client._connection = cast("Connection", Written())
    client.breaker._closed.set()
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    client.call(SCRIPT, [b"key"], [], got.set_result, got.set_result)
    time.sleep(2 * DEADLINE)  # noqa: ASYNC251 (that is the question)

    assert await got == b"N"
