"""What a request costs Redis, by Redis's own count: the same whatever its history's length."""

from __future__ import annotations

import asyncio

from fraud_scorer.features.events import Transaction
from fraud_scorer.features.layout import layout
from tests.stores.features.serving import serving
from tests.support.histories import EVERYTHING, HOUR, MINUTE, START
from tests.support.redis import RedisServer

LAYOUT = layout(EVERYTHING)
FEW = layout(
    [one for one in EVERYTHING if one.name in ("count_5m", "mean_3d", "terminal_count_2d")]
)


def transaction(number: int, time: int) -> Transaction:
    entities = {"customer": "c", "terminal": f"t-{number % 7}"}
    # An hour after Redis began: until shortly after that histories are read twice.
    return Transaction(f"tx-{number}", START + HOUR + time, entities, number, "EUR")


def calls(redis: RedisServer) -> dict[str, int]:
    """How often each command has run, those of scripts included."""
    stats = redis.client().info("commandstats")
    ours = ("evalsha", "eval", "get", "mget", "getrange", "set", "setrange", "del", "time")
    return {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ours}


async def test_a_request_costs_as_many_commands_with_a_long_history(
    redis_server: RedisServer,
) -> None:
    async with serving(FEW, redis_server.address, now=START) as server:

        async def cost(number: int, time: int) -> dict[str, int]:
            before = calls(redis_server)
            await server.answer(transaction(number, time))
            after = calls(redis_server)
            return {name: after[name] - before[name] for name in after}

        async def costs(number: int, time: int) -> list[dict[str, int]]:
            """Of a transaction in the same minute as one before it, and of one later that day."""
            await server.answer(transaction(number, time))
            return [await cost(number + 7, time + 1), await cost(number + 14, time + HOUR)]

        await server.replay(transaction(number, number) for number in range(7))
        short = await costs(7, MINUTE)
        await server.replay(transaction(number, number * HOUR // 8) for number in range(22, 1400))
        long = await costs(1400, 1400 * HOUR // 8)

    once = {"evalsha": 1, "mget": 1, "time": 1}
    same_minute = {**once, "getrange": 2, "setrange": 2, "set": 1}
    later = {**once, "getrange": 3, "setrange": 1, "set": 2}
    assert [strip(one) for one in short] == [strip(one) for one in long]
    assert [strip(one) for one in short] == [same_minute, later]


def strip(cost: dict[str, int]) -> dict[str, int]:
    """Without what is nought."""
    return {name: count for name, count in cost.items() if count}


async def test_all_requests_of_a_turn_are_one_call(redis_server: RedisServer) -> None:
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        await server.replay(transaction(number, number) for number in range(20))
        before = calls(redis_server)
        await server.answer(*(transaction(number, number) for number in range(20, 36)))
        after = calls(redis_server)

    assert after["evalsha"] - before["evalsha"] == 1
    assert after["mget"] - before["mget"] == 1


async def test_an_entitys_history_stops_growing(redis_server: RedisServer) -> None:
    client = redis_server.client()
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        key = server.online.redis.entity_key(0, "c")
        await server.replay(transaction(number, number * 10 * MINUTE) for number in range(1000))
        full = client.strlen(key)
        await server.replay(
            transaction(number, number * 10 * MINUTE) for number in range(1000, 3000)
        )

    assert client.strlen(key) <= full * 1.1
    assert full < 1500


async def test_a_busy_loop_is_served_in_turns(redis_server: RedisServer) -> None:
    """More than fit one call are several, in their order."""
    async with serving(LAYOUT, redis_server.address, now=START) as server:
        await server.replay([transaction(0, 0)])
        customers = [
            Transaction(f"b-{number}", START + HOUR + 10, {"customer": "c"}, 1, "EUR")
            for number in range(300)
        ]
        answers = await asyncio.gather(*map(server.online.ask, customers))

    assert [one.values["count_3d"] for one in answers] == list(range(1, 301))


async def test_processes_share_histories_and_a_transaction_counts_once_among_them(
    redis_server: RedisServer,
) -> None:
    async with (
        serving(LAYOUT, redis_server.address, now=START) as one,
        serving(LAYOUT, redis_server.address, now=START) as other,
    ):
        await one.replay(transaction(number, number) for number in range(20))
        again = transaction(30, MINUTE)
        first, second = await asyncio.gather(one.online.ask(again), other.online.ask(again))
        other.clock.now = one.clock.now
        after = await other.online.ask(transaction(31, MINUTE + 1))

    assert first.values == second.values
    assert after.values["count_3d"] == 21
