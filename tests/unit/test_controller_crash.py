"""The operator may die before or after any single write, or be told any error by the API server:
every life of a detector ends in the same state as one that nothing disturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fraud_operator.runtime import kinds
from tests.support.kube import Crash, Write, refusal
from tests.support.world import NAME, NAMESPACE, SCORER, World, detector, version

Step = Callable[[World], None]


def create(world: World) -> None:
    world.kube.put(detector())


def scale(world: World) -> None:
    world.change(scorer={"replicas": 5})


def release(world: World) -> None:
    world.publish(version("v2", day=2), version("v1"))


def release_damaged(world: World) -> None:
    world.refused["v3"] = "DigestMismatch"
    world.publish(version("v3", day=3), version("v2", day=2), version("v1"))


def tamper(world: World) -> None:
    def edit(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 9

    world.edit(kinds.DEPLOYMENT, SCORER, edit, "kubectl")
    world.kube.remove(kinds.SERVICE, NAMESPACE, SCORER)


def autoscale(world: World) -> None:
    world.change(scorer={}, autoscaling={"minReplicas": 3, "maxReplicas": 6})


def stop_autoscaling(world: World) -> None:
    world.change(scorer={"replicas": 4}, autoscaling=None)


def recreate(world: World) -> None:
    world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)
    world.kube.put(detector())


LIVES: dict[str, tuple[Step, ...]] = {
    "models": (create, release, release_damaged),
    "scaling": (create, autoscale, stop_autoscaling),
    "repairs": (create, scale, tamper, recreate),
}


@dataclass
class Disturbance:
    """Something that happens at the write with this number, once."""

    at: int
    after: bool
    error: BaseException
    seen: int = 0
    happened: bool = False

    def before(self, write: Write) -> None:
        self.seen += 1
        if self.seen == self.at and not self.after:
            self._strike()

    def afterwards(self, write: Write) -> None:
        if self.seen == self.at and self.after:
            self._strike()

    def _strike(self) -> None:
        if not self.happened:
            self.happened = True
            raise self.error


async def live(steps: tuple[Step, ...], disturbance: Disturbance | None = None) -> World:
    """A life, with a new operator process after each crash."""
    world = World()
    if disturbance is not None:
        world.kube.before, world.kube.after = disturbance.before, disturbance.afterwards
    for step in steps:
        step(world)
        try:
            await world.settle()
        except Crash:
            world.start()
            await world.settle()
    return world


TROUBLES: dict[str, tuple[bool, Callable[[], BaseException]]] = {
    "crash-before": (False, Crash),
    "crash-after": (True, Crash),
    "silence-after": (True, lambda: refusal(0, "Unreachable")),
    "409": (False, lambda: refusal(409, "Conflict")),
    "429": (False, lambda: refusal(429, "TooManyRequests")),
    "500": (False, lambda: refusal(500, "InternalError")),
}
"""Whether it strikes after the write took effect, and with what."""
FAST = {"crash-after"}
"""Dying after one write is nearly dying before the next, so the rest is in `make test-long`."""


async def undisturbed(steps: tuple[Step, ...]) -> tuple[Any, int]:
    world = await live(steps)
    return world.kube.state(), len(world.kube.writes)


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize(
    "trouble",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.long) for name in TROUBLES],
)
async def test_a_life_ends_in_the_same_state_whatever_happens_at_any_write(
    life: str, trouble: str
) -> None:
    expected, writes = await undisturbed(LIVES[life])
    assert writes > 12
    after, error = TROUBLES[trouble]
    for at in range(1, writes + 1):
        disturbance = Disturbance(at, after, error())
        world = await live(LIVES[life], disturbance)
        assert disturbance.happened, f"write {at} did not come to pass"
        assert world.kube.state() == expected, f"{trouble} at write {at} ends differently"
    print(f"{life}, {trouble}: {writes} points")


async def test_writes_are_the_same_with_and_without_a_restart_between_steps() -> None:
    steps = LIVES["models"]
    _, writes = await undisturbed(steps)
    world = World()
    for step in steps:
        step(world)
        await world.settle()
        world.start()
        await world.settle()
    assert len(world.kube.writes) == writes
