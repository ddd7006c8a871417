"""The operator may die before or after any single write, or be told any error by the API server:
every life of a detector ends in the same state as one that nothing disturbed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.closing import say
from tests.support.lives import (
    LIVES,
    STEPS,
    TROUBLES,
    Disturbance,
    Step,
    create,
    create_autoscaled,
    live,
    rest,
)
from tests.support.world import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def points() -> Iterator[Counter[str]]:
    """At how many writes each trouble struck; told at the end of the run."""
    struck: Counter[str] = Counter()
    yield struck
    say("crash points", (f"{trouble}: {number:,}" for trouble, number in struck.items()))


async def undisturbed(steps: tuple[Step, ...]) -> tuple[list[Any], int]:
    """The states after each step, and the number of writes."""
    states, world = await live(steps)
    return states, len(world.kube.writes)


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_life_ends_in_the_same_state_whatever_happens_at_any_write(
    life: str, trouble: str, points: Counter[str]
) -> None:
    expected, writes = await undisturbed(LIVES[life])
    assert writes > 12
    for at in range(1, writes + 1):
        disturbance = Disturbance(at, trouble)
        states, _ = await live(LIVES[life], disturbance)
        assert disturbance.happened, f"write {at} did not come to pass"
        assert states == expected, f"{trouble} at write {at} ends differently"
        points[trouble] += 1


steps = st.tuples(
    st.sampled_from((create, create_autoscaled)), st.lists(st.sampled_from(STEPS), max_size=7)
).map(lambda life: (life[0], *life[1]))
troubles = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(sorted(TROUBLES))),
    min_size=1,
    max_size=4,
)
"""What strikes, and at which part of the undisturbed life's writes."""


@pytest.mark.parametrize(
    "lives", [40, pytest.param(1000, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_random_lives_with_several_troubles_end_as_undisturbed_ones(
    lives: int, points: Counter[str]
) -> None:
    @settings(max_examples=lives, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps, troubles)
    def lived(steps: tuple[Step, ...], troubles: list[tuple[float, str]]) -> None:
        expected, writes = asyncio.run(undisturbed(steps))
        due = [Disturbance(1 + int(part * writes), trouble) for part, trouble in troubles]
        states, _ = asyncio.run(live(steps, *due))
        points["several of these in a random life"] += sum(one.happened for one in due)
        assert states == expected

    lived()


async def test_writes_are_the_same_with_and_without_a_restart_between_steps() -> None:
    steps = LIVES["models"]
    _, writes = await undisturbed(steps)
    world = World()
    for step in steps:
        step(world)
        await rest(world)
        world.start()
        await rest(world)
    assert len(world.kube.writes) == writes
