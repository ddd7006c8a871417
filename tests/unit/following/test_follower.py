"""The parent's side, with processes that say what the test wants, at the moment that it wants."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from fraud_scorer.artifact.plan import PlannedModel, StoreLocation
from fraud_scorer.artifact.report import Counts
from fraud_scorer.artifact.store import FileMissing, StoreUnreachable
from fraud_scorer.following.blobs import Blobs
from fraud_scorer.following.fetching import Fetching
from fraud_scorer.following.follower import Follower, Foreign, Outdated
from fraud_scorer.following.orders import Following, Holding, Orders
from fraud_scorer.registry.load import verdicts_on_files
from fraud_scorer.registry.refusal import refused
from tests.unit.following.models import revision
from tests.unit.following.support import plan

A, B, C = (revision(name) for name in "abc")


class Store(Fetching):
    """Gives files at once, or when the test lets it, or fails as the test says."""

    def __init__(self) -> None:
        self.failing: Exception | None = None
        self.held_up = threading.Event()
        self.held_up.set()

    def fetch(
        self, wanted: PlannedModel, location: StoreLocation, backup: StoreLocation | None = None
    ) -> None:
        self.held_up.wait(60)
        if self.failing is not None:
            with verdicts_on_files(wanted):
                raise self.failing


class Fake:
    """A serving process that proves what it is told to hold, and obeys when the test says so."""

    def __init__(self, follower: Follower, place: int) -> None:
        self.follower, self.place = follower, place
        self.orders: list[Orders] = []
        self.refuses: dict[str, Holding] = {}
        self.armed = False
        follower.hello(place, self.orders.append)

    @property
    def last(self) -> Orders:
        return self.orders[-1]

    def obey(self, state: str = "Proven") -> None:
        """Say that the last orders are obeyed, and everything is in that state."""
        held = tuple(
            self.refuses.get(one.model.revision)
            or Holding(revision=one.model.revision, attempt=one.attempt, state=state)  # type: ignore[arg-type]
            for one in self.last.hold
        )
        proven = {one.revision for one in held if one.state == "Proven"}
        self.armed = self.armed or self.last.answering.active in proven
        self.follower.heard(
            self.place, Following(number=self.last.number, armed=self.armed, held=held)
        )


class World:
    """A follower and what is around it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.counts: dict[str, Counts] = {}
        self.follower = Follower(
            Blobs(folder), self.store, count=lambda: self.counts, changed=lambda: None
        )

    async def settled(self, *processes: Fake, state: str = "Proven") -> None:
        """Let everything happen that is under way."""
        for _ in range(20):
            await asyncio.sleep(0.005)
            for one in processes:
                one.obey(state)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "blobs")


async def test_a_plan_is_confirmed_when_every_process_obeys(world: World) -> None:
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    world.follower.take(plan(1, A))
    await world.settled()
    assert world.follower.serial == 0
    first.obey()
    assert world.follower.serial == 0
    await world.settled(first, second)
    assert (world.follower.serial, world.follower.answering.active) == (1, "a")

    world.follower.take(plan(2))
    assert first.last.answering.active == second.last.answering.active == ""
    first.obey()
    assert world.follower.serial == 1
    second.obey()
    assert world.follower.serial == 2


async def test_a_process_that_dies_is_not_waited_for(world: World) -> None:
    world.follower.take(plan(1, A))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    world.follower.take(plan(2))
    first.obey()
    assert world.follower.serial == 1
    world.follower.gone(1, killed=True)
    assert world.follower.serial == 2
    again = Fake(world.follower, 1)
    assert again.last.answering.active == ""


async def test_what_answers_goes_on_while_a_process_starts_anew(world: World) -> None:
    """The one that is new has proven nothing yet; neither the active nor the candidate stops."""
    world.follower.take(plan(1, A, candidate=B, share=5000))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    assert (first.last.answering.active, first.last.answering.share) == ("a", 5000)
    number = first.last.number
    world.follower.gone(1, killed=True)
    again = Fake(world.follower, 1)
    again.obey("Loading")
    assert first.last.number == number
    assert again.last == first.last
    states = {one.revision: one.state for one in world.follower.held()}
    assert states == {"a": "Proven", "b": "Proven"}


async def test_a_candidate_answers_once_every_process_has_proven_it(world: World) -> None:
    world.follower.take(plan(1, A))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    world.follower.take(plan(2, A, candidate=B, share=100))
    await world.settled()
    first.obey()
    assert first.last.answering.share == 0
    second.obey()
    assert first.last.answering.share == second.last.answering.share == 100


async def test_a_withdrawal_waits_for_no_fetch(world: World) -> None:
    world.follower.take(plan(1, A, last_known_good=B))
    first = Fake(world.follower, 0)
    await world.settled(first)
    world.store.held_up.clear()
    world.follower.take(plan(2, A, last_known_good=B, candidate=C))
    world.follower.take(plan(3, B, candidate=C))
    assert first.last.answering.active == "b"
    first.obey()
    assert world.follower.serial == 3
    world.store.held_up.set()


async def test_one_process_that_refuses_is_enough(world: World) -> None:
    world.follower.take(plan(1, A, last_known_good=B))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    verdict = refused(A, "GoldenMismatch", "a/manifest.json", "another score").verdict
    second.refuses["a"] = Holding(revision="a", attempt=0, state="Refused", verdict=verdict)
    second.obey()
    assert (first.last.answering.active, first.last.answering.fallback) == ("b", True)
    assert [one.model.revision for one in first.last.hold] == ["b"]
    held = world.follower.held()[0]
    assert (held.state, held.reason, held.message) == ("Refused", "GoldenMismatch", "another score")


async def test_what_kills_processes_is_refused(world: World) -> None:
    """A candidate that ends whoever opens it does so twice, and no third time."""
    world.follower.take(plan(1, A))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    world.follower.take(plan(2, A, candidate=B))
    await world.settled()
    for one in (first, second):
        one.refuses["b"] = Holding(revision="b", attempt=0, state="Loading")
        one.obey()
        assert [hold.model.revision for hold in one.last.hold] == ["a", "b"]
        world.follower.gone(one.place, killed=True)
    again = Fake(world.follower, 0)
    assert [hold.model.revision for hold in again.last.hold] == ["a"]
    held = world.follower.held()[-1]
    assert (held.state, held.reason) == ("Refused", "LoadFailed")


async def test_a_process_that_ends_by_itself_says_nothing_of_a_model(world: World) -> None:
    world.follower.take(plan(1, A))
    for _ in range(3):
        process = Fake(world.follower, 0)
        await world.settled(process, state="Loading")
        world.follower.gone(0, killed=False)
    assert world.follower.held()[0].state == "Loading"


async def test_files_that_a_process_cannot_use_are_tried_again(world: World) -> None:
    """What another process has proven goes on meanwhile."""
    world.follower.take(plan(1, A))
    first, second = Fake(world.follower, 0), Fake(world.follower, 1)
    await world.settled(first, second)
    second.refuses["a"] = Holding(revision="a", attempt=0, state="Failed", message="no memory")
    world.follower.gone(1, killed=True)
    again = Fake(world.follower, 1)
    again.refuses = second.refuses
    again.obey()
    assert first.last.answering.active == "a"
    assert [hold.model.revision for hold in first.last.hold] == ["a"]
    again.refuses = {}
    async with asyncio.timeout(30):
        while again.last.hold[0].attempt == 0:  # noqa: ASYNC110 -- it is a thread's doing
            await asyncio.sleep(0.01)
    await world.settled(first, again)
    assert world.follower.held()[0].state == "Proven"


async def test_a_verdict_of_the_store_holds_until_another_plan_comes(world: World) -> None:
    world.store.failing = FileMissing("it is gone", file="a/model.fdm")
    world.follower.take(plan(1, A))
    process = Fake(world.follower, 0)
    await world.settled(process)
    held = world.follower.held()[0]
    assert (held.state, held.reason, held.file) == ("Refused", "FileMissing", "a/model.fdm")
    assert world.follower.trouble is not None
    assert world.follower.trouble[0] == "FileMissing"
    world.store.failing = None
    world.follower.take(plan(2, A))
    await world.settled(process)
    assert world.follower.held()[0].state == "Proven"


async def test_a_store_that_is_away_is_no_verdict(world: World) -> None:
    world.store.failing = StoreUnreachable("no answer")
    world.follower.take(plan(1, A, last_known_good=B))
    await world.settled(Fake(world.follower, 0))
    assert {(one.state, one.reason) for one in world.follower.held()} == {
        ("Waiting", "StoreUnreachable")
    }
    assert world.follower.serial == 1
    world.follower.stop()


async def test_counts_begin_anew_with_what_answers(world: World) -> None:
    world.follower.take(plan(1, A, last_known_good=B))
    process = Fake(world.follower, 0)
    await world.settled(process)
    world.counts = {"a": Counts(requests=7, approve=7)}
    assert counted(world) == {"a": 7, "b": 0}
    world.follower.take(plan(2, A, candidate=B, share=100))
    process.obey()
    assert counted(world) == {"a": 0, "b": 0}
    world.counts = {"a": Counts(requests=9, approve=9), "b": Counts(requests=1, decline=1)}
    assert counted(world) == {"a": 2, "b": 1}


def counted(world: World) -> dict[str, int]:
    return {one.revision: one.counts.requests for one in world.follower.held() if one.counts}


async def test_only_a_later_plan_for_this_detector_is_taken(world: World) -> None:
    follower = world.follower
    assert follower.take(plan(5, A))
    assert not follower.take(plan(5, A))
    with pytest.raises(Outdated, match="serial 4"):
        follower.take(plan(4, A))
    with pytest.raises(Outdated, match="another plan with serial 5"):
        follower.take(plan(5, B))
    with pytest.raises(Foreign, match="detector another"):
        follower.take(plan(6, A, detector="another"))
    assert follower.plan == plan(5, A)
    follower.stop()


async def test_a_plan_that_nobody_obeys_is_not_waited_for_forever(world: World) -> None:
    Fake(world.follower, 0)
    world.follower.take(plan(1, A, when_unavailable="review"))
    await world.follower.followed(0.01)
    assert world.follower.serial == 0
    world.follower.stop()
