"""A Redis that is killed, hung or flushed keeps nobody from being answered."""

from __future__ import annotations

import asyncio

import pytest

from fraud_scorer.decisions import claims as claims_module
from fraud_scorer.decisions.claims import AWAY, NEW, SAME
from fraud_scorer.redis.client import DEADLINE
from tests.stores.decisions.claiming import OTHER_BODY, pod
from tests.support.redis import RedisServer

ANSWER = b'{"decision":"approve"}'


async def test_flushed_before_the_answer(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        claim = await one.claim("tx-1")
        redis_server.client().flushall()
        await one.settle(claim, ANSWER)
        again = await one.claim("tx-1")

    assert (again.outcome, again.answer) == (SAME, ANSWER)


async def test_flushed_after_the_answer(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        claim = await one.claim("tx-1")
        await one.settle(claim, ANSWER)
        redis_server.client().flushall()
        redis_server.client().script_flush()
        assert (await one.claim("tx-1", OTHER_BODY)).outcome is NEW


async def test_restarted_before_the_answer(own_redis: RedisServer) -> None:
    async with pod(own_redis.address) as one:
        claim = await one.claim("tx-1")
        own_redis.kill()
        without = await one.claim("tx-2")
        one.claims.settle(claim, ANSWER)
        one.claims.settle(without, b"2")
        own_redis.start()
        await one.found()
        again, second = await one.claim("tx-1"), await one.claim("tx-2")

    assert (claim.outcome, without.outcome) == (NEW, AWAY)
    assert (again.outcome, again.answer) == (SAME, ANSWER)
    assert (second.outcome, second.answer) == (SAME, b"2")


async def test_hung(own_redis: RedisServer) -> None:
    """Answers wait for the deadline until the breaker opens, and then not at all."""
    async with pod(own_redis.address, deadline=DEADLINE) as one:
        await one.found()
        own_redis.freeze()
        waited = 0
        while one.redis.usable:
            claim = await one.claim(f"tx-{waited}")
            assert claim.outcome is AWAY
            one.claims.settle(claim, b"%d" % waited)
            waited += 1
        spared = one.start("tx-spared")
        await asyncio.sleep(0)  # the turn of the event loop that it is claimed in
        await asyncio.sleep(0)
        assert spared.done()
        assert spared.result().outcome is AWAY
        one.claims.settle(spared.result(), ANSWER)
        own_redis.resume()
        async with pod(own_redis.address) as other:
            await one.found()
            again = [await other.claim(f"tx-{n}") for n in (*range(waited), "spared")]

    assert 1 <= waited <= 5
    assert [claim.outcome for claim in again] == [SAME] * (waited + 1)
    assert [claim.answer for claim in again] == [*(b"%d" % n for n in range(waited)), ANSWER]


async def test_a_claim_that_was_heard_too_late_is_settled_all_the_same(
    own_redis: RedisServer,
) -> None:
    async with pod(own_redis.address, deadline=0.3) as one:
        await one.found()
        own_redis.freeze()
        claim = await one.claim("tx-1")
        own_redis.resume()
        async with pod(own_redis.address, wait=0.01) as other:
            while not own_redis.client().exists(claim.key):  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0)
            await one.found()
            one.claims.settle(claim, ANSWER)
            await one.claim("tx-2")
            again = await other.claim("tx-1")

    assert claim.outcome is AWAY
    assert (again.outcome, again.answer) == (SAME, ANSWER)


async def test_what_is_not_told_is_bounded(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "MOST_UNTOLD", 5)
    async with pod(own_redis.address) as one:
        own_redis.kill()
        for n in range(20):
            one.claims.settle(await one.claim(f"tx-{n}"), ANSWER)
        own_redis.start()
        await one.found()
        kept = sorted(own_redis.client().keys("claims:cards:tx-*"))

    assert kept == sorted(b"claims:cards:tx-%d" % n for n in range(15, 20))
