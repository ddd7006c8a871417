"""The queue before the model: batches, bounds, deadlines, and one row's failure."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from fraud_scorer.model.protocol import Row
from fraud_scorer.pipeline.score import MAX_BATCH, Scoring
from fraud_scorer.problem import Problem
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.scorer.support import FEATURES, GOLDEN, fake_loaded, manifest_of


class Gate:
    """A model that scores when it is let to; a row's first value is its score."""

    def __init__(self, *, open: bool = False) -> None:
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()
        if open:
            self._open.set()

    def score(self, rows: Sequence[Row]) -> list[float]:
        self.batches.append(len(rows))
        self.entered.release()
        assert self._open.wait(10)
        if any(row[0] == "fail" for row in rows):
            raise ValueError("this model does not like that")
        return [float(row[0]) for row in rows]  # type: ignore[arg-type]

    def let_go(self) -> None:
        self._open.set()

    async def has_begun(self) -> None:
        await asyncio.to_thread(self.entered.acquire, timeout=10)


def model(gate: Gate) -> LoadedModel:
    return fake_loaded(gate, manifest_of(FEATURES, GOLDEN[0]))


def later() -> float:
    return time.monotonic() + 60


@pytest.fixture
async def scoring() -> AsyncIterator[Scoring]:
    made = Scoring(max_waiting=200)
    yield made
    made.close()


async def test_each_gets_its_own_score(scoring: Scoring) -> None:
    one = model(Gate(open=True))
    wanted = [i / 500 for i in range(100)]
    scores = await asyncio.gather(*(scoring.score(one, [score], later()) for score in wanted))
    assert scores == wanted


async def test_rows_that_wait_go_together(scoring: Scoring) -> None:
    gate = Gate()
    one = model(gate)
    first = asyncio.create_task(scoring.score(one, [0.1], later()))
    await gate.has_begun()
    others = [asyncio.create_task(scoring.score(one, [0.2], later())) for _ in range(MAX_BATCH + 5)]
    await asyncio.sleep(0)
    gate.let_go()
    await asyncio.gather(first, *others)
    assert gate.batches == [1, MAX_BATCH, 5]


async def test_a_batch_is_for_one_model(scoring: Scoring) -> None:
    old, new = Gate(), Gate(open=True)
    first = asyncio.create_task(scoring.score(model(old), [0.1], later()))
    await old.has_begun()
    both = [
        asyncio.create_task(scoring.score(one, [0.2], later()))
        for one in (model(new), model(old), model(new))
    ]
    await asyncio.sleep(0)
    old.let_go()
    await asyncio.gather(first, *both)
    assert (old.batches, new.batches) == ([1, 1], [1, 1])


async def test_too_many_waiting_are_turned_away(scoring: Scoring) -> None:
    gate = Gate()
    one = model(gate)
    first = asyncio.create_task(scoring.score(one, [0.1], later()))
    await gate.has_begun()
    waiting = [asyncio.create_task(scoring.score(one, [0.2], later())) for _ in range(200)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await scoring.score(one, [0.3], later())
    assert caught.value.status == 503
    assert (b"retry-after", b"1") in caught.value.headers
    gate.let_go()
    assert await asyncio.gather(first, *waiting) == [0.1] + [0.2] * 200


async def test_a_row_is_dropped_after_its_deadline(scoring: Scoring) -> None:
    gate = Gate()
    one = model(gate)
    first = asyncio.create_task(scoring.score(one, [0.1], later()))
    await gate.has_begun()
    late = asyncio.create_task(scoring.score(one, [0.2], time.monotonic() - 1))
    await asyncio.sleep(0)
    gate.let_go()
    await first
    with pytest.raises(Problem) as caught:
        await late
    assert caught.value.status == 503
    assert gate.batches == [1]


async def test_a_row_is_not_scored_for_somebody_who_left(scoring: Scoring) -> None:
    gate = Gate()
    one = model(gate)
    first = asyncio.create_task(scoring.score(one, [0.1], later()))
    await gate.has_begun()
    gone = asyncio.create_task(scoring.score(one, [0.2], later()))
    await asyncio.sleep(0)
    gone.cancel()
    last = asyncio.create_task(scoring.score(one, [0.3], later()))
    await asyncio.sleep(0)
    gate.let_go()
    assert list(await asyncio.gather(first, last)) == [0.1, 0.3]
    assert gate.batches == [1, 1]


async def test_one_failing_row_spoils_no_other(scoring: Scoring) -> None:
    gate = Gate()
    one = model(gate)
    first = asyncio.create_task(scoring.score(one, [0.1], later()))
    await gate.has_begun()
    rows: list[Row] = [[0.2], ["fail"], [0.3]]
    others = [asyncio.create_task(scoring.score(one, row, later())) for row in rows]
    await asyncio.sleep(0)
    gate.let_go()
    await first
    good, bad, also_good = await asyncio.gather(*others, return_exceptions=True)
    assert good == 0.2
    assert also_good == 0.3
    assert isinstance(bad, Problem)
    assert bad.status == 500
    assert "like" not in bad.document.detail


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1.0001, -0.1])
async def test_what_is_no_probability_is_no_answer(scoring: Scoring, score: float) -> None:
    with pytest.raises(Problem) as caught:
        await scoring.score(model(Gate(open=True)), [score], later())
    assert caught.value.status == 422


async def test_the_event_loop_turns_while_a_model_computes(scoring: Scoring) -> None:
    gate = Gate()
    first = asyncio.create_task(scoring.score(model(gate), [0.1], later()))
    await gate.has_begun()
    turned = await asyncio.wait_for(asyncio.sleep(0, "turned"), 5)
    assert turned == "turned"
    assert not first.done()
    gate.let_go()
    await first
