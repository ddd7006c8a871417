"""At most one process writes, whatever clocks and the API server do."""

import asyncio
from collections.abc import Callable

import pytest

from fraud_operator.runtime.kinds import LEASE
from fraud_operator.runtime.kube import WritesForbidden
from fraud_operator.runtime.lease import Lease
from tests.support.kube import FakeKube, Write, refusal


class World:
    """One clock and one API server for several processes; sleeping lets time go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.kube = FakeKube()

    def process(self, name: str) -> Lease:
        async def sleep(seconds: float) -> None:
            self.now += seconds
            await asyncio.sleep(0)

        return Lease(self.kube, "system", "operator", name, clock=lambda: self.now, sleep=sleep)

    async def until(self, time: float) -> None:
        for _ in range(1000):
            if self.now >= time:
                return
            await asyncio.sleep(0)
        raise AssertionError("nobody sleeps any more")

    @property
    def holder(self) -> str:
        return str(self.kube.read(LEASE, "system", "operator")["spec"]["holderIdentity"])

    def fail(self, status: int = 503) -> Callable[[Write], None]:
        def before(write: Write) -> None:
            raise refusal(status, "ServiceUnavailable")

        return before


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_one_leads_and_the_second_waits(world: World) -> None:
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    assert first.held
    first.check()
    waiting = asyncio.create_task(second.acquire())
    renewing = asyncio.create_task(first.keep())
    for _ in range(200):
        await asyncio.sleep(0)
    assert world.now > 60
    assert not waiting.done()
    assert not second.held
    with pytest.raises(WritesForbidden):
        second.check()
    for task in (waiting, renewing):
        task.cancel()


async def test_a_dead_leader_is_followed_after_its_hold_has_ended(world: World) -> None:
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    died_at = world.now
    await second.acquire()
    assert world.holder == "b"
    assert 10 <= world.now - died_at <= 12.5
    assert world.kube.read(LEASE, "system", "operator")["spec"]["leaseTransitions"] == 1


async def test_a_leader_stops_writing_before_another_may_begin(world: World) -> None:
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    began = world.now
    while not await second._try():
        if world.now - began >= 7:
            assert not first.held
        world.now += 0.5
    assert not first.held


async def test_a_release_lets_the_next_one_in_at_once(world: World) -> None:
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    await first.release()
    assert not first.held
    released_at = world.now
    await waiting
    assert world.now - released_at <= 2


async def test_a_release_is_not_misled_by_a_renewal_that_was_given_up_on(world: World) -> None:
    """Told to stop, a process gives up on what it is writing; the server may have it already."""
    lease = world.process("a")
    await lease.acquire()
    known = lease._object
    assert await lease._try()
    lease._object = known
    await lease.release()
    assert world.holder == ""


async def test_a_release_leaves_the_lease_of_another_alone(world: World) -> None:
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    known, world.now = first._object, 30.0
    await second.acquire()
    first._object, first._held_until = known, 100.0
    await first.release()
    assert world.holder == "b"


async def test_losing_the_lease_ends_keep(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    world.kube.before = world.fail()
    await lease.keep()
    assert not lease.held
    assert 7 <= world.now <= 9


async def test_a_short_trouble_does_not_lose_it(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    keeping = asyncio.create_task(lease.keep())
    world.kube.before = world.fail()
    await world.until(4)
    world.kube.before = lambda write: None
    await world.until(30)
    assert lease.held
    keeping.cancel()


async def test_a_paused_leader_notices_on_waking_and_does_not_resume(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    world.now += 60
    with pytest.raises(WritesForbidden):
        lease.check()
    await lease.keep()
    assert not lease.held
    await lease.acquire()
    assert lease.held


async def test_a_write_by_somebody_else_is_not_taken_for_a_loss(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    world.kube.edit(
        LEASE, "system", "operator", lambda obj: obj["metadata"].update(labels={"x": "y"}), by="me"
    )
    assert not await lease._try()
    assert lease.held
    assert await lease._try()


async def test_a_stolen_lease_is_lost(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    world.kube.edit(
        LEASE,
        "system",
        "operator",
        lambda obj: obj["spec"].update(holderIdentity="thief"),
        by="thief",
    )
    await lease.keep()
    assert not lease.held
    assert world.now <= 4
    assert world.holder == "thief"


async def test_a_deleted_lease_is_made_anew(world: World) -> None:
    lease = world.process("a")
    await lease.acquire()
    world.kube.remove(LEASE, "system", "operator")
    assert not await lease._try()
    assert await lease._try()
    assert world.holder == "a"


async def test_the_other_clock_does_not_matter(world: World) -> None:
    """The renewal times that are written down are decades off, and nobody looks at them."""
    first, second = world.process("a"), world.process("b")
    await first.acquire()
    world.kube.edit(
        LEASE,
        "system",
        "operator",
        lambda obj: obj["spec"].update(renewTime="1999-01-01T00:00:00.000000Z"),
        by="a",
    )
    assert not await second._try()
    assert world.holder == "a"
