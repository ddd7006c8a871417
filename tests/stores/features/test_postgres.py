"""Histories out of a real Postgres are those that were counted one by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fraud_scorer.features import state
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.history import HistoryAway
from fraud_scorer.features.layout import layout
from fraud_scorer.features.memory import Histories
from fraud_scorer.features.offline import Event, replay
from fraud_scorer.features.postgres import PostgresHistory
from fraud_scorer.features.values import Values
from tests.stores.features.records import NAMES, Records
from tests.stores.features.serving import Server
from tests.support.histories import DAY, EVERYTHING, HOUR, MINUTE, SECOND, START
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

LAYOUT = layout(EVERYTHING)
MUCH_LATER = START + 1000 * DAY


@pytest.fixture
async def records(database: str) -> AsyncIterator[Records]:
    made = await Records.make(database)
    yield made
    await made.aclose()


@pytest.fixture
async def history(database: str) -> AsyncIterator[PostgresHistory]:
    made = PostgresHistory(lambda: database, names=NAMES)
    await made.probe()
    yield made
    await made.aclose()


def some_days(seed: int, count: int) -> list[Event]:
    """In the order of their times; a few labels and attributes among them."""
    draw = random.Random(seed)
    time, events = START, list[Event]()
    for number in range(count):
        time += int(draw.expovariate(1 / (40 * MINUTE)))
        entities = {"customer": f"c-{draw.randrange(4)}", "terminal": f"t-{draw.randrange(5)}"}
        currency = draw.choice(["EUR", "EUR", "USD"])
        events.append(Transaction(f"tx-{number}", time, entities, draw.randrange(10_000), currency))
        if draw.random() < 0.6:
            events.append(Label(f"tx-{draw.randrange(number + 1)}", time, draw.random() < 0.4))
        if draw.random() < 0.1:
            name, value = draw.choice([("limit", float(number)), ("segment", f"s-{number}")])
            events.append(Attribute("customer", f"c-{draw.randrange(4)}", name, value, time))
    return events


async def test_what_is_read_is_what_was_counted(records: Records, history: PostgresHistory) -> None:
    events = some_days(seed=1, count=300)
    counted = Histories(LAYOUT)
    list(replay_into(counted, events))
    await records.add(*events)
    last = max(one.time for one in events if isinstance(one, Transaction))

    for kind in LAYOUT.kinds:
        for number in range(5):
            entity = f"{kind.kind[0]}-{number}"
            for time in (last, last - 2 * HOUR, last + 30 * MINUTE, last + 2 * DAY):
                read = await history.read(kind, entity, time=time, now=MUCH_LATER, excluding=())
                asked = Transaction("x", time, {kind.kind: entity}, 0, "EUR")
                cells = state.cells(kind, asked)
                expected = state.totals(kind, counted.tables(kind.kind, entity), cells)
                assert state.totals(kind, read.tables, cells) == expected


def replay_into(counted: Histories, events: list[Event]) -> Any:
    for event in events:
        if isinstance(event, Transaction):
            yield counted.observe(event)
        elif isinstance(event, Label):
            counted.label(event)
        else:
            counted.attribute(event)


async def test_a_transaction_recorded_twice_counts_once_and_an_excluded_one_not_at_all(
    records: Records, history: PostgresHistory
) -> None:
    kind = LAYOUT.kinds[0]
    one, other = (Transaction(id, START, {"customer": "c"}, 5, "EUR") for id in ("a", "b"))
    await records.add(one, one, other)

    async def counted(*excluding: str) -> object:
        read = await history.read(kind, "c", time=START, now=START, excluding=excluding)
        totals = state.totals(kind, read.tables, state.cells(kind, one))
        return Values(LAYOUT).of([totals, None], START)[EVERYTHING[0].name]

    assert await counted() == 2
    assert await counted("b") == 1
    assert await counted("a", "b") == 0


async def test_labels_observed_later_are_not_seen(
    records: Records, history: PostgresHistory
) -> None:
    terminal = next(one for one in LAYOUT.kinds if one.kind == "terminal")
    bought = Transaction("a", START, {"terminal": "t"}, 5, "EUR")
    await records.add(bought, Label("a", START + HOUR, fraud=True))

    async def tables(now: int) -> list[Any]:
        read = await history.read(terminal, "t", time=START, now=now, excluding=())
        (labels,) = (
            rows[1:]
            for table, rows in zip(terminal.tables, read.tables, strict=True)
            if table.shape == "labels"
        )
        return labels

    day = START // DAY
    assert await tables(START + HOUR - SECOND) == []
    assert await tables(START + HOUR) == [day, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_features_are_exact_whatever_redis_forgets(
    redis_server: RedisServer, records: Records, history: PostgresHistory, seed: int
) -> None:
    """Between any two transactions entities are evicted, or everything is gone."""
    events = some_days(seed, count=400)
    draw, client = random.Random(seed), redis_server.client()
    serving = Server(LAYOUT, redis_server.address, history, now=START)
    await serving.online.start(patience=20)
    answers = []
    for event in events:
        if draw.random() < 0.03:
            client.flushall()
        elif draw.random() < 0.3:
            key = client.randomkey()
            if key and b"@" not in key and b"#" not in key:
                client.delete(key)
        if isinstance(event, Transaction):
            answers += await serving.answer(event)
            await records.add(event)
        else:
            await records.add(event)
            await serving.learn([event])

    assert serving.online.rebuilder is not None
    assert serving.online.rebuilder.reads > 50
    assert not any(one.degraded for one in answers)
    assert [dict(one.values) for one in answers] == list(replay(events, LAYOUT))
    await serving.online.aclose()


async def test_a_hung_postgres_is_given_up(own_postgres: PostgresServer) -> None:
    records = await Records.make(own_postgres.dsn())
    history = PostgresHistory(own_postgres.dsn, names=NAMES, patience=0.2)
    await history.probe()
    own_postgres.freeze()
    try:
        with pytest.raises(HistoryAway):
            await history.read(LAYOUT.kinds[0], "c", time=START, now=START, excluding=())
        with pytest.raises(HistoryAway):
            await history.probe()
    finally:
        own_postgres.resume()

    await history.probe()
    read = await history.read(LAYOUT.kinds[0], "c", time=START, now=START, excluding=())
    assert read.stamp > 0
    await history.aclose()
    await records.aclose()


async def test_a_reading_that_nobody_wants_any_more_ends_at_once(
    own_postgres: PostgresServer,
) -> None:
    """As at the end of a process, whatever Postgres does."""
    history = PostgresHistory(own_postgres.dsn, connections=1, patience=3600)
    await history.probe()
    own_postgres.freeze()
    try:
        asked = asyncio.ensure_future(history.probe())
        await asyncio.wait({asked}, timeout=0.2)
        waits = asyncio.ensure_future(history.probe())
        await asyncio.wait({waits}, timeout=0.2)
        for one in (asked, waits):
            one.cancel()
        assert all(
            isinstance(one, asyncio.CancelledError)
            for one in await asyncio.gather(asked, waits, return_exceptions=True)
        )
    finally:
        own_postgres.resume()
    await history.probe()
    await history.aclose()


async def test_a_restart_between_two_readings_is_not_noticed(own_postgres: PostgresServer) -> None:
    history = PostgresHistory(own_postgres.dsn)
    await history.probe()
    own_postgres.stop()
    own_postgres.start()
    await history.probe()
    await history.aclose()


async def test_no_more_connections_than_declared(own_postgres: PostgresServer) -> None:
    history = PostgresHistory(own_postgres.dsn, connections=2)
    await asyncio.gather(*(history.probe() for _ in range(20)))
    found = own_postgres.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fraud-scorer features'"
    )
    assert found == "2"
    await history.aclose()


async def test_an_id_that_postgres_cannot_hold_is_looked_for_as_it_is_recorded(
    records: Records, history: PostgresHistory
) -> None:
    await records.add(Transaction("a", START, {"customer": "c\ufffd"}, 5, "EUR"))
    kind = LAYOUT.kinds[0]
    read = await history.read(kind, "c\x00", time=START, now=START, excluding=("x\x00",))
    assert any(len(rows) > 1 for rows in read.tables)


async def test_a_postgres_that_is_not_there_says_so() -> None:
    history = PostgresHistory(lambda: "host=127.0.0.1 port=1 dbname=x user=x")

    with pytest.raises(HistoryAway, match="Postgres cannot be reached"):
        await history.probe()
    with pytest.raises(HistoryAway, match="cannot be reached"):
        await history.read(LAYOUT.kinds[0], "c", time=START, now=START, excluding=())
