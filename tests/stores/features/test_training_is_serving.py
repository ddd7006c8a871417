"""Every feature of every transaction is the same, bit for bit, offline and by a real Redis."""

from __future__ import annotations

from heapq import merge
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.handbook import windows
from examples.handbook.simulator import Parameters, Transactions, simulate
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import Event, materialise, replay
from tests.stores.features.serving import serving
from tests.support import closing
from tests.support.histories import DAY, EVERYTHING, HOUR, MINUTE, START
from tests.support.redis import RedisServer


def events_of(data: Transactions) -> list[Event]:
    """As they come: what was observed at the time of a transaction is known to it."""
    known: list[Any] = [windows.labels(data), windows.transactions(data)]
    return list(
        merge(*known, key=lambda e: e.time if isinstance(e, Transaction) else e.observed_at)
    )


def compared(redis: RedisServer, data: Transactions, *, alone: int, together: int = 1) -> int:
    """How many values were compared, all of them equal. The first events come one by one."""
    events = events_of(data)
    declared = layout(windows.declared())
    offline = list(materialise(windows.transactions(data), windows.labels(data), declared))

    async def serve() -> list[Any]:
        first = next(windows.transactions(data)).time
        async with serving(declared, redis.address, now=first) as server:
            answers = await server.replay(events[:alone])
            return answers + await server.replay(events[alone:], together)

    answers = uvloop.run(serve())
    assert all(not one.degraded for one in answers)
    assert len(answers) == len(offline)
    wrong = [
        (number, name, answer.values[name], value)
        for number, (answer, row) in enumerate(zip(answers, offline, strict=True))
        for name, value in row.items()
        if answer.values[name] != value
    ]
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[0]}"
    return sum(map(len, offline))


@pytest.mark.slow
def test_the_handbooks_months(redis_server: RedisServer) -> None:
    data = simulate(Parameters(customers=100, terminals=200, days=100, radius=20.0))

    count = compared(redis_server, data, alone=len(data))

    closing.say("features offline and online", [f"{count:,} values compared, all equal"])
    assert count > 12 * 15_000


@pytest.mark.slow
def test_sixteen_at_once(redis_server: RedisServer) -> None:
    """Those that come in one turn are in the order in which they came, also at one customer.

    (Of an entity new to Redis, whoever's history comes from Postgres first is the first.)
    """
    data = simulate(Parameters(customers=20, terminals=20, days=50, radius=100.0))

    compared(redis_server, data, alone=500, together=16)


@pytest.mark.long
def test_half_a_year(redis_server: RedisServer) -> None:
    data = simulate(Parameters(customers=600, terminals=1200, radius=14.0))

    count = compared(redis_server, data, alone=len(data))

    closing.say("features offline and online", [f"{count:,} values compared, all equal"])


EDGES = [0, MINUTE, 5 * MINUTE - 1, HOUR, DAY - 1, DAY, 3 * DAY]
TIMES = (st.integers(0, 4 * DAY) | st.sampled_from(EDGES)).map(lambda time: START + time)
CUSTOMERS, TERMINALS = st.sampled_from(["a", "b"]), st.sampled_from(["1", "2", "3", "4"])
NUMBERS = st.integers(0, 12)
BODIES = st.lists(
    st.tuples(
        TIMES,
        CUSTOMERS,
        st.none() | TERMINALS,
        st.integers(0, 2**53 - 1) | st.integers(0, 10_000),
        st.sampled_from(["EUR", "USD"]),
    ),
    min_size=13,
    max_size=13,
)
"""Of the transaction of each number: one that is repeated is the same."""
LABELS = st.builds(Label, NUMBERS.map("tx-{}".format), TIMES, st.booleans())
TOLD = (st.just("limit"), st.floats(-1e9, 1e9)), (st.just("segment"), st.text(max_size=5))
ATTRIBUTES = st.one_of(
    *(st.builds(Attribute, st.just("customer"), CUSTOMERS, *told, TIMES) for told in TOLD)
)
EVENTS = st.lists(st.one_of(NUMBERS, NUMBERS, NUMBERS, LABELS, ATTRIBUTES), max_size=40)
LAYOUT = layout(EVERYTHING)


def transaction(number: int, bodies: list[Any]) -> Transaction:
    time, customer, terminal, amount, currency = bodies[number]
    entities = {"customer": customer} | ({"terminal": terminal} if terminal else {})
    return Transaction(f"tx-{number}", time, entities, amount, currency)


@pytest.mark.slow
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=EVENTS, bodies=BODIES)
def test_late_repeated_and_disordered_events(
    redis_server: RedisServer, drawn: list[int | Label | Attribute], bodies: list[Any]
) -> None:
    redis_server.client().flushall()
    events = [transaction(one, bodies) if isinstance(one, int) else one for one in drawn]

    async def serve() -> list[Any]:
        async with serving(LAYOUT, redis_server.address, now=START) as server:
            return await server.replay(events)

    answers = uvloop.run(serve())

    assert [dict(one.values) for one in answers] == list(replay(events, LAYOUT))
