"""The store of record is asked once for all who wait, and left alone where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import pytest

from fraud_scorer.breaker import AFTER, Breaker, Changes
from fraud_scorer.features import state
from fraud_scorer.features.history import HistoryAway, Read
from fraud_scorer.features.layout import KindLayout, layout
from fraud_scorer.features.rebuild import Flown, Rebuilder
from fraud_scorer.features.settings import Settings
from tests.support.histories import EVERYTHING

KIND = layout(EVERYTHING).kinds[0]
SETTINGS = Settings(rebuilds=2, retry_rebuild=1000.0)


class Store:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, set[str]]] = []
        self.let = asyncio.Event()
        self.broken = False

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        self.asked.append((entity, set(excluding)))
        await self.let.wait()
        if self.broken:
            raise HistoryAway("broken")
        return Read(1, state.empty(kind))

    async def probe(self) -> None:
        if self.broken:
            raise HistoryAway("broken")


async def rebuilder(store: Store, settings: Settings = SETTINGS) -> Rebuilder:
    made = Rebuilder(store, settings)
    made.start()
    await made.breaker.wait_closed()
    return made


async def ask(
    rebuilder: Rebuilder, entity: str = "c", transaction: str = "tx", patience: float = 60.0
) -> Flown:
    deadline = asyncio.get_running_loop().time() + patience
    return await rebuilder.read(
        KIND, entity, excluding={transaction}, time=0, now=0, deadline=deadline
    )


async def until(look: Callable[[], object]) -> None:
    """Let the others go on until it is so."""
    for _ in range(10_000):
        if look():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


async def test_those_of_a_turn_share_one_reading_which_leaves_all_of_them_out() -> None:
    store = Store()
    rebuild = await rebuilder(store)
    waiting = [asyncio.create_task(ask(rebuild, transaction=f"tx-{n}")) for n in range(16)]
    await until(lambda: store.asked)
    late = asyncio.create_task(ask(rebuild, transaction="late"))
    await asyncio.sleep(0)
    store.let.set()

    flown = await asyncio.gather(*waiting)

    assert store.asked == [("c", {f"tx-{n}" for n in range(16)})]
    assert not any(one.joined for one in flown)
    assert (await late).joined, "it may be in what was read"


async def test_no_more_than_so_many_at_once() -> None:
    store = Store()
    rebuild = await rebuilder(store)
    waiting = [asyncio.create_task(ask(rebuild, f"c-{number}")) for number in range(2)]
    await until(lambda: len(store.asked) == 2)

    with pytest.raises(HistoryAway, match="2 histories are being read"):
        await ask(rebuild, "c-3")

    store.let.set()
    await asyncio.gather(*waiting)
    assert rebuild.breaker.closed


async def test_what_could_not_be_read_is_not_tried_again_at_once() -> None:
    store = Store()
    rebuild = await rebuilder(store)
    store.broken = True
    store.let.set()

    for _ in range(5):
        with pytest.raises(HistoryAway):
            await ask(rebuild)

    assert len(store.asked) == 1


async def test_what_came_too_late_serves_the_next() -> None:
    store = Store()
    rebuild = await rebuilder(store)
    with pytest.raises(HistoryAway, match="in time"):
        await ask(rebuild, patience=0.01)
    store.let.set()
    await until(lambda: not rebuild._flights)
    store.let.clear()

    assert (await ask(rebuild)).read.stamp == 1
    assert len(store.asked) == 1


async def test_a_breaker_opens_after_failures_in_a_row_and_closes_by_a_probe() -> None:
    works = asyncio.Event()
    probes = 0

    async def probe() -> None:
        nonlocal probes
        probes += 1
        if not works.is_set():
            raise OSError("not yet")

    breaker = Breaker("a store", probe)
    works.set()
    breaker.start()
    await breaker.wait_closed()
    works.clear()
    for _ in range(AFTER - 1):
        breaker.failed("it is slow")
    breaker.succeeded()
    for _ in range(AFTER - 1):
        breaker.failed("it is slow")
    assert breaker.closed
    breaker.failed("it is slow")
    assert not breaker.closed
    await until(lambda: probes >= 3)
    works.set()
    await breaker.wait_closed()
    assert breaker.opened == 1
    await breaker.aclose()


class TestWhatIsLogged:
    """Of a breaker, for whoever looks why answers are degraded."""

    async def test_each_change_has_its_cause(self, caplog: pytest.LogCaptureFixture) -> None:
        causes = ["refused", "refused", "wrong password"]

        async def probe() -> None:
            if causes:
                raise OSError(causes.pop(0))

        caplog.set_level("INFO")
        breaker = Breaker("a store", probe)
        breaker.start()
        await breaker.wait_closed()
        causes.append("still starting")
        breaker.failed("reset by peer", at_once=True)
        await breaker.wait_closed()
        await breaker.aclose()
        assert caplog.messages == [
            "a store cannot be used: refused",
            "a store cannot be used: wrong password",
            "a store answers",
            "a store is left alone until it answers: reset by peer",
            "a store cannot be used: still starting",
            "a store answers",
        ]

    async def test_a_store_that_comes_and_goes_fills_no_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def probe() -> None:
            return

        caplog.set_level("INFO")
        breaker = Breaker("a store", probe)
        breaker.start()
        await breaker.wait_closed()
        for _ in range(50):
            breaker.failed("gone again", at_once=True)
            await breaker.wait_closed()
        assert len(caplog.messages) == Changes.MOST
        await breaker.aclose()
        *_, last = caplog.messages
        assert len(caplog.messages) == Changes.MOST + 1
        assert (
            last == f"a store answers (after {100 - Changes.MOST} other changes that are not told)"
        )
