"""Long work is done in slices, between which the event loop turns."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from fraud_scorer.http.turns import MOST_STEPS, SLICE_SECONDS, Turns


def turns(step: float) -> Turns:
    """Turns by a clock that moves a share of a slice each time that somebody looks."""
    times = itertools.count()
    return Turns(clock=lambda: next(times) * step * SLICE_SECONDS)


async def parts_of(of: Turns, work: Iterator[int]) -> list[list[int]]:
    return [part async for part in of.slices(work)]


async def test_slices_end_when_their_time_is_over() -> None:
    assert await parts_of(turns(0.25), iter(range(10))) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_slices_end_when_stores_are_asked_for_enough() -> None:
    parts = await parts_of(turns(0.0), iter(range(2 * MOST_STEPS + 1)))

    assert [len(part) for part in parts] == [MOST_STEPS, MOST_STEPS, 1]


async def test_work_that_takes_longer_than_a_slice_still_goes_on() -> None:
    assert await parts_of(turns(5), iter(range(3))) == [[0], [1], [2]]


async def test_without_work_there_is_no_slice() -> None:
    assert await parts_of(turns(1), iter(())) == []


async def test_the_loop_turns_between_slices() -> None:
    """Whoever came meanwhile is answered before the next slice begins."""
    order: list[str] = []

    def work() -> Iterator[int]:
        for step in range(3):
            order.append(f"slice {step}")
            asyncio.get_running_loop().call_soon(order.append, f"single {step}")
            yield step

    await parts_of(turns(5), work())
    assert order == ["slice 0", "single 0", "slice 1", "single 1", "slice 2", "single 2"]


async def test_several_share_what_one_alone_would_have() -> None:
    """One slice a turn of the loop, whoever it belongs to."""
    shared, turn, seen = turns(5), itertools.count(), []

    def work(name: str) -> Iterator[str]:
        for _ in range(4):
            seen.append((name, number))
            yield name

    number = 0

    async def count(loop_turns: Iterator[int]) -> None:
        nonlocal number
        for number in loop_turns:  # noqa: B007
            await asyncio.sleep(0)

    async def all_of(name: str) -> None:
        async for _ in shared.slices(work(name)):
            pass

    counting = asyncio.create_task(count(turn))
    await asyncio.gather(*(all_of(name) for name in "abc"))
    counting.cancel()
    at = [number for _, number in seen]
    assert len(set(at)) == len(at) == 12
    assert sorted(name for name, _ in seen[:3]) == ["a", "b", "c"]


async def test_a_failure_passes_through_and_others_go_on() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    shared = turns(5)
    with pytest.raises(ValueError, match="no more"):
        await parts_of(shared, failing())
    assert await parts_of(shared, iter([1])) == [[1]]
