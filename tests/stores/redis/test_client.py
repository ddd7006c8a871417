"""The connection that features and claims share: one write a turn, and late only who is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fraud_scorer.decisions.claims import NEW, Claim
from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.client import DEADLINE, RedisClient
from fraud_scorer.redis.errors import RedisError
from fraud_scorer.redis.resp import Connection, Reply
from fraud_scorer.redis.script import Script
from tests.stores.decisions.claiming import PATIENT, pod
from tests.support.redis import RedisServer

ECHO = Script("fraud_scorer.decisions", "claims.lua")
"""Any script will do; this one answers what is claimed with a letter each."""


@pytest.fixture
async def client(own_redis: RedisServer) -> AsyncIterator[RedisClient]:
    made = RedisClient(lambda: own_redis.address, PATIENT)
    made.start()
    await made.breaker.wait_closed()
    yield made
    await made.aclose()


def call(client: RedisClient, key: bytes) -> asyncio.Future[Reply | str]:
    """A call's reply, or why there is none."""
    future: asyncio.Future[Reply | str] = asyncio.get_running_loop().create_future()
    arguments = [b"60000", b"60000", b"x" * 32]
    client.call(ECHO, [key], arguments, future.set_result, future.set_result)
    return future


async def test_a_loop_that_was_held_up_reads_before_it_gives_up(own_redis: RedisServer) -> None:
    async with pod(own_redis.address, deadline=DEADLINE) as one:
        await one.found()
        claims: list[asyncio.Future[Claim]] = []
        for n in range(20):
            claims.append(one.start(f"tx-{n}"))
            await asyncio.sleep(0)
            time.sleep(4 * DEADLINE)  # noqa: ASYNC251 (that is the question)
        got = await asyncio.gather(*claims)

    assert [claim.outcome for claim in got] == [NEW] * 20
    assert one.redis.breaker.opened == 0


async def test_a_redis_that_forgot_the_script_is_told_it_again(
    client: RedisClient, own_redis: RedisServer
) -> None:
    assert await call(client, b"a") == b"N"
    own_redis.client().script_flush()
    assert [await call(client, b"b"), await call(client, b"b")] == [b"N", b"I"]


async def test_an_error_of_redis_fails_the_call(
    client: RedisClient, own_redis: RedisServer
) -> None:
    own_redis.client().set("claimed", "x")
    own_redis.client().config_set("maxmemory", "1")
    reply = await call(client, b"a")
    assert isinstance(reply, str)
    assert "OOM" in reply


async def test_closing_fails_who_still_waits_and_looks_for_redis_no_more(
    client: RedisClient, own_redis: RedisServer
) -> None:
    own_redis.freeze()
    waiting = call(client, b"a")
    await client.aclose()
    own_redis.resume()

    assert waiting.result() == "the connection to Redis was given up"
    assert call(client, b"b").result() == "Redis is away"
    assert client.breaker._probing is None


async def test_the_address_is_asked_for_at_each_connection(own_redis: RedisServer) -> None:
    addresses: list[RedisAddress | RedisError] = [
        RedisError("not mounted yet"),
        replace(own_redis.address, password="wrong"),
    ]

    def where() -> RedisAddress:
        one = addresses.pop(0) if addresses else own_redis.address
        if isinstance(one, RedisError):
            raise one
        return one

    client = RedisClient(where, PATIENT)
    client.start()
    await client.breaker.wait_closed()
    assert await call(client, b"a") == b"N"
    await client.aclose()

    assert not addresses


async def test_what_is_to_be_done_first_is(own_redis: RedisServer) -> None:
    done = []

    async def prepare(connection: Connection) -> None:
        done.append("prepared")

    client = RedisClient(lambda: own_redis.address, PATIENT)
    client.prepare.append(prepare)
    client.back.append(lambda: done.append("back"))
    client.start()
    await client.breaker.wait_closed()
    await call(client, b"a")
    own_redis.kill()
    own_redis.start()
    while client.breaker.opened == 0:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(0.001)
    await client.breaker.wait_closed()
    await call(client, b"a")
    await client.aclose()

    assert done == ["prepared", "back"] * 2
