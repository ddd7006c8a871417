"""A Redis that is killed, hung, full or behind costs exactness for a while, and never an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from fraud_scorer.breaker import AFTER
from fraud_scorer.features import redis as redis_module
from fraud_scorer.features.events import Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import replay
from fraud_scorer.features.online import WITH_DEFAULTS, WITHOUT_REDIS, Answer
from tests.stores.features.serving import PATIENT, Server, serving
from tests.support.histories import EVERYTHING, MINUTE, START
from tests.support.redis import PASSWORD, RedisServer, serve

LAYOUT = layout(EVERYTHING)
QUICK = 0.5
"""Seconds that an answer waits for Redis."""
SETTLE = 1_000
"""Of those settings, microseconds."""


def transactions(count: int, *, first: int = 0, customers: int = 3) -> list[Transaction]:
    """One a minute."""
    draw = random.Random(first)
    return [
        Transaction(
            f"tx-{number}", START + number * MINUTE,
            {"customer": f"c-{draw.randrange(customers)}", "terminal": f"t-{draw.randrange(3)}"},
            draw.randrange(10_000), "EUR",
        )
        for number in range(first, first + count)
    ]  # fmt: skip


async def caught_up(server: Server) -> None:
    """Redis answers again, and was told what it missed."""
    await server.redis.breaker.wait_closed()
    while server.online.redis._untold:
        nobody = {"customer": "somebody else"}
        await server.online.ask(Transaction("other", server.clock.now, nobody, 1, "EUR"))


async def test_killed_and_started_again(own_redis: RedisServer) -> None:
    before, without, after = (
        transactions(50),
        transactions(20, first=50),
        transactions(50, first=70),
    )
    async with serving(LAYOUT, own_redis.address, redis_deadline=QUICK, now=START) as server:
        answers = await server.replay(before)
        own_redis.kill()
        degraded = await server.replay(without)
        own_redis.start()
        await caught_up(server)
        restored = await server.replay(after)

    offline = list(replay([*before, *without, *after], LAYOUT))
    assert [one.values for one in answers] == offline[:50]
    assert [one.values for one in degraded] == offline[50:70], "Postgres knew"
    assert all(one.degraded == (WITHOUT_REDIS,) for one in degraded)
    assert [one.values for one in restored] == offline[70:]
    assert not any(one.degraded for one in restored)


async def test_hung_and_awake_again(own_redis: RedisServer) -> None:
    before, without, after = (
        transactions(50),
        transactions(20, first=50),
        transactions(50, first=70),
    )
    async with serving(LAYOUT, own_redis.address, redis_deadline=QUICK, now=START) as server:
        await server.replay(before)
        own_redis.freeze()
        degraded = await server.replay(without)
        spared = not server.redis.usable
        opened = server.redis.breaker.opened
        own_redis.resume()
        await caught_up(server)
        restored = await server.replay(after)

    offline = list(replay([*before, *without, *after], LAYOUT))
    assert spared, "after three failures nobody waits for it any more"
    assert opened == 1
    late, away = degraded[: AFTER - 1], degraded[AFTER - 1 :]
    assert all(one.degraded == (WITHOUT_REDIS, WITH_DEFAULTS) for one in late)
    assert all(one.degraded == (WITHOUT_REDIS,) for one in away)
    assert [one.values for one in away] == offline[50 + len(late) : 70]
    assert [one.values for one in restored] == offline[70:], "each counted, and once"


async def test_a_redis_that_is_late_once_sends_nobody_to_postgres(own_redis: RedisServer) -> None:
    """It is late where all are busy, and reading histories would keep them busier."""
    before = transactions(10)
    some = [
        Transaction(f"late-{n}", before[-1].time, {"customer": f"new-{n}"}, 1, "EUR")
        for n in range(40)
    ]
    async with serving(LAYOUT, own_redis.address, redis_deadline=QUICK, now=START) as server:
        await server.replay(before)
        reads = server.memory.reads
        own_redis.freeze()
        late = await asyncio.gather(*map(server.online.ask, some))
        still_asked, more_reads = server.redis.usable, server.memory.reads - reads
        own_redis.resume()
        await caught_up(server)

    assert still_asked, "late once"
    assert more_reads == 0
    assert all(one.degraded == (WITHOUT_REDIS, WITH_DEFAULTS) for one in late)


@pytest.mark.parametrize("command", ["getrange", "setrange"])
async def test_a_redis_that_does_not_let_us_is_away(own_redis: RedisServer, command: str) -> None:
    """As one whose ACL is of a release before. Otherwise each request would be Postgres's, and say
    nothing of it."""
    async with serving(LAYOUT, own_redis.address, redis_deadline=QUICK, now=START) as server:
        await server.replay(transactions(5, customers=1))
        own_redis.client().acl_setuser(
            "default", enabled=True, keys=["*"], passwords=[f"+{PASSWORD}"],
            commands=[f"-{command}"],
        )  # fmt: skip
        now = transactions(1)[0].time + 5 * MINUTE
        same_minute = [
            Transaction(f"again-{n}", now, {"customer": "c-0"}, 1, "EUR") for n in range(3)
        ]
        refused = [(await server.answer(one))[0] for one in same_minute]

    assert WITHOUT_REDIS in refused[-1].degraded


async def test_more_missed_than_is_kept(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "MOST_UNTOLD", 5)
    before, without, after = (
        transactions(30),
        transactions(20, first=30),
        transactions(30, first=50),
    )
    async with serving(LAYOUT, own_redis.address, redis_deadline=QUICK, now=START) as server:
        await server.replay(before)
        own_redis.freeze()
        await server.replay(without)
        own_redis.resume()
        await caught_up(server)
        reads = server.memory.reads
        restored = await server.replay(after)
        assert server.memory.reads > reads, "what Redis still has is not believed"

    offline = list(replay([*before, *without, *after], LAYOUT))
    assert [one.values for one in restored] == offline[50:]


@pytest.fixture
def small_redis() -> Iterator[RedisServer]:
    yield from serve("--maxmemory 2mb", "--maxmemory-policy allkeys-lru")


@pytest.mark.slow
async def test_full(small_redis: RedisServer) -> None:
    """What is evicted is read again: an entity that is gone is not taken for a new one."""
    events = transactions(6000, customers=1500)
    async with serving(LAYOUT, small_redis.address, now=START) as server:
        answers = await server.replay(events)

    assert small_redis.client().info("stats")["evicted_keys"] > 500
    assert [one.values for one in answers] == list(replay(events, LAYOUT))
    assert not any(one.degraded for one in answers)


async def test_a_flushed_redis_does_not_count_a_repeated_transaction_again(
    redis_server: RedisServer,
) -> None:
    events = transactions(20, customers=1)
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        await server.replay(events)
        redis_server.client().flushall()
        server.clock.now += 1
        moved = {"customer": "c-0", "terminal": "t-9"}
        await server.answer(msgspec.structs.replace(events[-1], entities=moved))
        await server.answer(events[3])
        server.clock.now += SETTLE + 1
        last = transactions(1, first=30, customers=1)[0]
        (answer,) = await server.answer(last)

    assert answer.values["count_3d"] == 20


async def test_what_was_on_its_way_to_postgres_when_redis_was_lost_is_counted_soon(
    redis_server: RedisServer,
) -> None:
    events = transactions(20, customers=1)
    recorded, underway, since, last = events[:10], events[10:15], events[15:19], events[19]
    # A history that is to be read anew leaves Redis soon after that, by Redis's own clock.
    settings = replace(PATIENT, settle=60.0)
    async with serving(LAYOUT, redis_server.address, settings=settings, now=START) as server:

        async def answered(one: Transaction) -> Answer:
            server.clock.now = max(server.clock.now, one.time)
            return await server.online.ask(one)

        await server.replay(recorded)
        for one in underway:
            await answered(one)
        redis_server.client().flushall()
        server.clock.now = since[0].time
        still = [await server.online.ask(one) for one in since]
        for one in underway:
            server.memory.record(one)
        server.clock.now += MINUTE + 1
        answer = await server.online.ask(last)

    offline = list(replay(events, LAYOUT))
    assert [one.values["count_3d"] for one in still] == [10, 11, 12, 13], "five are underway"
    assert answer.values == offline[-1], "and so are the four after them, which Redis remembers"


async def test_a_new_customer_is_known_to_be_new(redis_server: RedisServer) -> None:
    first, second = (
        Transaction(f"tx-{number}", START + MINUTE * number, {"customer": "c"}, 5, "EUR")
        for number in (1, 2)
    )
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        begun = server.memory.reads
        (unknown,) = await server.answer(first)
        (known,) = await server.answer(second)

    assert server.memory.reads == begun + 1, "asked once: that there is nothing is remembered"
    assert (unknown.values["count_3d"], known.values["count_3d"]) == (0, 1)
    assert unknown.degraded == known.degraded == ()


async def test_without_a_store_of_record_windows_are_known_from_when_they_began(
    redis_server: RedisServer,
) -> None:
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        online = type(server.online)(LAYOUT, server.redis, None, PATIENT, server.clock)
        await online.start(patience=20)
        values = []
        for number in range(8):
            server.clock.now = START + number * MINUTE
            one = Transaction(f"tx-{number}", server.clock.now, {"customer": "c"}, 5, "EUR")
            values.append((await online.ask(one)).values)
        await online.aclose()

    assert [one["count_5m"] for one in values] == [None] * 5 + [4, 4, 4]
    assert all(one["mean_3d"] == 1234.5 for one in values)


async def test_histories_leave_redis_at_different_times(redis_server: RedisServer) -> None:
    settings = replace(PATIENT, ttl=1000.0)
    events = transactions(60, customers=60)
    async with serving(LAYOUT, redis_server.address, settings=settings, now=START) as server:
        await server.replay(events)

    client = redis_server.client()
    left = {client.pttl(key) for key in client.scan_iter("*:customer:c-*")}
    assert len(left) > 20
    assert all(890_000 < one <= 1_100_000 for one in left)


async def test_a_pod_with_a_wrong_clock_makes_nobody_else_lag(redis_server: RedisServer) -> None:
    """It was the one that found Redis empty: how long Redis has lived is for Redis to say."""
    settings = replace(PATIENT, settle=60.0)
    ahead = Server(LAYOUT, redis_server.address, settings=settings, now=START + 3600 * 60 * MINUTE)
    await ahead.online.start(patience=20.0)
    await ahead.online.ask(Transaction("first", ahead.clock.now, {"customer": "a"}, 1, "EUR"))
    await ahead.online.aclose()
    await ahead.redis.aclose()

    server = Server(LAYOUT, redis_server.address, settings=settings, now=START)
    await server.online.start(patience=20.0)
    counts = [
        (await server.online.ask(one)).values["count_3d"] for one in transactions(5, customers=1)
    ]
    server.clock.now = START + 5 * MINUTE
    counts.append(
        (await server.online.ask(transactions(1, first=5, customers=1)[0])).values["count_3d"]
    )
    await server.online.aclose()
    await server.redis.aclose()

    assert counts == [0, 1, 2, 3, 4, 5], "none was left to be counted later"


FOREIGN = {
    "another's": b"\x00\xffnobody knows",
    "empty": b"",
    "cut off": None,
    "of another type": [b"a", b"b"],
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_what_is_no_history_is_read_anew_and_overwritten(
    redis_server: RedisServer, what: str
) -> None:
    client = redis_server.client()
    before, after = transactions(30), transactions(10, first=30)
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        await server.replay(before)
        keys = [key for key in client.scan_iter("features:*") if not key.endswith(b"@born")]
        for key in keys:
            found = client.get(key)
            client.delete(key)
            value = FOREIGN[what]
            if isinstance(value, list):
                client.rpush(key, *value)
            else:
                client.set(key, found[:-5] if value is None else value)
        answers = await server.replay(after)
        assert {client.type(key) for key in client.scan_iter("features:*:c-*")} == {b"string"}

    assert [one.values for one in answers] == list(replay([*before, *after], LAYOUT))[30:]
    assert not any(one.degraded for one in answers)


async def test_what_is_remembered_of_a_transaction_is_not_told_to_another_with_its_id(
    redis_server: RedisServer,
) -> None:
    """A request that was refused may have counted; its id then comes with something else."""
    body, other_body = b"0123456789abcdef", b"fedcba9876543210"
    first = Transaction("tx", START + MINUTE, {"customer": "a"}, 5, "EUR", body)
    other = Transaction("tx", START + MINUTE, {"customer": "b"}, 5, "EUR", other_body)
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        await server.replay(
            Transaction(f"a-{n}", START + n, {"customer": "a"}, 5, "EUR") for n in range(4)
        )
        (counted,) = await server.answer(first)
        taken = await server.online.ask(other)
        again = await server.online.ask(first)
        (after,) = await server.answer(
            Transaction("after", START + MINUTE, {"customer": "b"}, 5, "EUR")
        )

    assert counted.values["count_3d"] == again.values["count_3d"] == 4
    assert taken.values == server.online._values.defaults
    assert taken.degraded == (WITH_DEFAULTS,)
    assert after.values["count_3d"] == 0, "nor does it count"
