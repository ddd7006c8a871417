"""Without Postgres what Redis has is served, and what it has not is said to be unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fraud_scorer.breaker import AFTER
from fraud_scorer.features.events import Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import replay
from fraud_scorer.features.online import WITH_DEFAULTS, WITHOUT_POSTGRES, WITHOUT_REDIS
from fraud_scorer.features.postgres import PostgresHistory
from tests.stores.features.records import NAMES, Records
from tests.stores.features.serving import PATIENT, Server
from tests.support.histories import DAY, EVERYTHING, MINUTE, START
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

LAYOUT = layout(EVERYTHING)
QUICK = replace(PATIENT, history_deadline=3.0, retry_rebuild=0.0)


def transaction(number: int, customer: str = "c", time: int | None = None) -> Transaction:
    when = START + (number * MINUTE if time is None else time)
    return Transaction(f"tx-{number}", when, {"customer": customer}, 100 + number, "EUR")


@pytest.fixture
async def records(own_postgres: PostgresServer) -> AsyncIterator[Records]:
    made = await Records.make(own_postgres.dsn())
    yield made
    await made.aclose()


@pytest.fixture
async def serving(
    own_postgres: PostgresServer, own_redis: RedisServer, records: Records
) -> AsyncIterator[Server]:
    history = PostgresHistory(own_postgres.dsn, names=NAMES, patience=1.0)
    made = Server(LAYOUT, own_redis.address, history, QUICK, START, redis_deadline=0.5)
    await made.online.start(patience=20)
    nobody = Transaction("before all", START, {"customer": "nobody"}, 0, "XXX")
    await made.online.ask(nobody)
    yield made
    own_postgres.resume()
    await made.online.aclose()
    await made.redis.aclose()
    await history.aclose()


async def test_a_hung_postgres_is_asked_no_more(
    serving: Server, own_postgres: PostgresServer, records: Records
) -> None:
    assert serving.online.rebuilder is not None
    # An hour after Redis began: until shortly after that histories are read twice.
    known = [transaction(60 + number) for number in range(10)]
    for one in known:
        await serving.answer(one)
    await records.add(*known)
    reads = serving.online.rebuilder.reads
    own_postgres.freeze()

    (of_known,) = await serving.answer(transaction(70))
    strangers = [
        (await serving.answer(transaction(80 + number, f"new-{number}")))[0] for number in range(8)
    ]
    assert serving.online.rebuilder.reads == reads + 3, "the fourth was not even asked about"
    assert not serving.online.rebuilder.breaker.closed

    assert of_known.degraded == ()
    assert of_known.values == list(replay([*known, transaction(70)], LAYOUT))[-1]
    assert all(one.degraded == (WITHOUT_POSTGRES, WITH_DEFAULTS) for one in strangers)
    assert all(one.values["mean_3d"] == 1234.5 for one in strangers)


async def test_short_windows_are_known_before_postgres_is_back_and_long_ones_after(
    serving: Server, own_postgres: PostgresServer, records: Records
) -> None:
    assert serving.online.rebuilder is not None
    before = [transaction(number) for number in range(5)]
    await records.add(*before)
    own_postgres.freeze()
    meanwhile = [transaction(number) for number in range(10, 20)]
    answers = [(await serving.answer(one))[0] for one in meanwhile]
    await records_after(own_postgres, serving)
    await records.add(*meanwhile)
    later = transaction(30)
    (answer,) = await serving.answer(later)

    offline = list(replay([*before, *meanwhile, later], LAYOUT))[5:]
    assert answers[-1].values["count_5m"] == offline[9]["count_5m"] == 4
    assert answers[-1].values["mean_3d"] == 1234.5
    assert answers[-1].degraded == (WITHOUT_POSTGRES, WITH_DEFAULTS)
    assert answer.values == offline[-1]
    assert answer.degraded == ()


async def records_after(postgres: PostgresServer, serving: Server) -> None:
    """Postgres answers again, and was found."""
    assert serving.online.rebuilder is not None
    postgres.resume()
    await serving.online.rebuilder.breaker.wait_closed()


async def test_with_both_gone_there_is_an_answer(
    serving: Server, own_postgres: PostgresServer, own_redis: RedisServer
) -> None:
    own_postgres.freeze()
    own_redis.freeze()

    answers = [(await serving.answer(transaction(number)))[0] for number in range(6)]
    own_redis.resume()

    late, away = answers[: AFTER - 1], answers[AFTER - 1 :]
    assert all(one.degraded == (WITHOUT_REDIS, WITH_DEFAULTS) for one in late), "Redis may be busy"
    assert all(one.degraded == (WITHOUT_REDIS, WITHOUT_POSTGRES, WITH_DEFAULTS) for one in away)
    assert all(one.values["limit"] == -1.0 for one in answers)
    assert all(one.values["sum_5m"] is None for one in answers)


async def test_a_late_transaction_is_answered_from_before_what_redis_keeps(
    serving: Server, records: Records
) -> None:
    """Its windows reach behind what was read for the others."""
    events = [transaction(1, time=10 * DAY), transaction(2, time=12 * DAY)]
    await records.add(*events)
    await serving.answer(transaction(3, time=20 * DAY))
    late = transaction(4, time=12 * DAY + 1)

    (answer,) = await serving.answer(late)

    assert answer.values["count_3d"] == 2
    assert answer.degraded == ()
