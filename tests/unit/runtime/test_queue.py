"""What is worked on next."""

import asyncio
import random

import pytest

from fraud_operator.runtime.queue import WorkQueue, work


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock=clock, rng=random.Random(1))


def drain(queue: WorkQueue[str]) -> list[str]:
    taken = []
    while (key := queue.take()) is not None:
        taken.append(key)
    return taken


def test_a_key_at_rest_is_due_almost_at_once(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.take() is None
    assert queue.wait() == pytest.approx(0.02)
    clock.now += 0.02
    assert drain(queue) == ["a"]
    assert queue.wait() is None


def test_a_key_that_was_worked_on_rests_for_the_debounce(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add("a")
    clock.now += 1
    assert queue.take() == "a"
    queue.add("a")
    clock.now += 1
    queue.done("a")
    assert queue.take() is None
    assert queue.wait() == pytest.approx(0.3)
    clock.now += 0.3
    assert queue.take() == "a"
    queue.done("a")
    clock.now += 0.1
    queue.add("a")
    assert queue.wait() == pytest.approx(0.2)
    queue.add("b")
    assert queue.wait() == pytest.approx(0.02)
    clock.now += 0.25
    assert drain(queue) == ["b", "a"]


def test_what_was_heard_of_already_waits_for_what_comes_of_it(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add("a", calm=True)
    queue.add("b", calm=True)
    queue.add("a")
    clock.now += 0.1
    assert drain(queue) == ["a"], "the earliest of several due times wins"
    assert queue.wait() == pytest.approx(4.9)
    queue.add("b", calm=True)
    clock.now += 4.9
    assert drain(queue) == ["b"], "what comes later puts nothing off"


def test_what_must_not_wait_does_not_rest(queue: WorkQueue[str], clock: Clock) -> None:
    queue.hurry("a")
    assert drain(queue) == ["a"]
    queue.add("a")
    queue.hurry("a")
    assert queue.take() is None, "one worker a key"
    queue.done("a")
    assert drain(queue) == ["a"], "due the moment that the work under way ends"
    queue.done("a")
    queue.add("a")
    assert queue.take() is None, "whatever else there is rests"
    queue.hurry("a")
    assert drain(queue) == ["a"]


def test_what_must_not_wait_goes_before_a_backoff_and_before_the_patient(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add("a")
    clock.now += 1
    assert queue.take() == "a"
    queue.failed("a")
    queue.add("b", patient=True)
    queue.hurry("a")
    queue.hurry("b")
    assert drain(queue) == ["a", "b"]


def test_nothing_is_remembered_of_keys_that_have_rested(
    queue: WorkQueue[str], clock: Clock
) -> None:
    for number in range(100):
        queue.add_after(str(number), 0)
        assert queue.take() == str(number)
        queue.done(str(number))
        clock.now += 0.1
    assert len(queue._rested) <= 4


def test_many_changes_are_one_piece_of_work(queue: WorkQueue[str], clock: Clock) -> None:
    for _ in range(100):
        queue.add("a")
        queue.add("b")
    clock.now += 1
    assert drain(queue) == ["a", "b"]


def test_a_key_that_changes_all_the_time_is_not_starved(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add("a")
    for _ in range(3):
        clock.now += 0.125
        queue.add("a")
    assert drain(queue) == ["a"]


def test_a_key_is_never_worked_on_twice_at_once(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    clock.now += 1
    assert queue.take() == "a"
    queue.add("a")
    clock.now += 1
    assert queue.take() is None
    assert queue.wait() is None
    queue.done("a")
    clock.now += 0.3
    assert queue.take() == "a"


def test_the_earliest_due_time_wins(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 60)
    queue.add("a")
    queue.add_after("a", 600)
    clock.now += 0.3
    assert drain(queue) == ["a"]
    queue.done("a", again_after=5)
    clock.now += 4.9
    assert drain(queue) == []
    clock.now += 0.1
    assert drain(queue) == ["a"]


def test_failures_back_off_from_one_second_to_five_minutes(
    queue: WorkQueue[str], clock: Clock
) -> None:
    delays = []
    queue.add_after("a", 0)
    for _ in range(14):
        assert queue.take() == "a"
        delays.append(queue.failed("a"))
        clock.now += delays[-1]
    assert delays[0] == 1.0
    assert all(1.0 <= delay <= 300.0 for delay in delays)
    for count, delay in enumerate(delays):
        longest = min(300.0, 2.0**count)
        assert max(1.0, 0.75 * longest) <= delay <= longest
    assert len(set(delays[9:])) > 1, "no jitter"


def test_success_forgets_failures(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 0)
    for _ in range(6):
        queue.take()
        clock.now += queue.failed("a")
    queue.take()
    queue.done("a")
    queue.add("a")
    clock.now += 1
    queue.take()
    assert queue.failed("a") == 1.0


def test_a_change_is_looked_at_in_the_middle_of_a_backoff(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add_after("a", 0)
    for _ in range(8):
        assert queue.take() == "a"
        clock.now += queue.failed("a")
    assert queue.take() == "a"
    queue.failed("a")
    queue.add("a")
    clock.now += 0.3
    assert queue.take() == "a"


def test_what_is_new_waits_for_what_is_under_way(queue: WorkQueue[str], clock: Clock) -> None:
    for key in ("new-1", "new-2", "new-3"):
        queue.add(key, patient=True)
    clock.now += 0.1
    queue.add("old")
    queue.add("new-3")
    clock.now += 0.1
    assert drain(queue) == ["new-3", "old", "new-1", "new-2"]


def test_what_is_new_does_not_wait_for_ever(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("new", patient=True)
    clock.now += 301
    queue.add("old")
    clock.now += 0.1
    assert drain(queue) == ["new", "old"]


def test_patience_delays_nothing_when_nothing_else_is_due(
    queue: WorkQueue[str], clock: Clock
) -> None:
    queue.add("new", patient=True)
    queue.add_after("later", 60)
    assert queue.wait() == pytest.approx(0.02)
    clock.now += 0.02
    assert drain(queue) == ["new"]


def test_it_knows_how_far_it_is_behind(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.behind() == 0
    queue.add("a", patient=True)
    assert queue.behind() == 0
    clock.now += 5.02
    queue.add("b")
    assert queue.behind() == pytest.approx(5)
    assert queue.take() == "a"
    assert queue.behind() == 0


def test_a_forgotten_key_is_not_due(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.forget("a")
    clock.now += 1
    assert queue.take() is None
    assert queue.wait() is None


async def test_workers_run_at_once_up_to_their_number() -> None:
    queue: WorkQueue[int] = WorkQueue(debounce=0)
    stop, gate = asyncio.Event(), asyncio.Event()
    running: set[int] = set()
    most = 0

    async def handle(key: int) -> None:
        nonlocal most
        running.add(key)
        most = max(most, len(running))
        if len(running) == 3:
            gate.set()
        await gate.wait()
        running.discard(key)
        if key == 9:
            stop.set()

    for key in range(10):
        queue.add(key)
    await asyncio.wait_for(work(queue, handle, workers=3, on_failure=unexpected, stop=stop), 10)
    assert most == 3


async def test_what_is_being_done_is_finished_before_the_end() -> None:
    queue: WorkQueue[str] = WorkQueue(debounce=0)
    stop, begun, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    finished = []

    async def handle(key: str) -> None:
        begun.set()
        await go_on.wait()
        finished.append(key)

    queue.add("a")
    working = asyncio.create_task(work(queue, handle, workers=1, on_failure=unexpected, stop=stop))
    await begun.wait()
    queue.add("b")
    stop.set()
    await asyncio.sleep(0)
    assert not working.done()
    go_on.set()
    await asyncio.wait_for(working, 10)
    assert finished == ["a"]


async def test_a_failing_key_is_reported_and_stops_nobody() -> None:
    queue: WorkQueue[str] = WorkQueue(debounce=0)
    stop = asyncio.Event()
    failures: list[tuple[str, str, float]] = []

    async def handle(key: str) -> None:
        if key == "bad":
            raise ValueError("broken")
        stop.set()

    queue.add("bad")
    queue.add("good")
    await asyncio.wait_for(
        work(
            queue,
            handle,
            workers=1,
            on_failure=lambda key, error, delay: failures.append((key, str(error), delay)),
            stop=stop,
        ),
        10,
    )
    assert failures == [("bad", "broken", 1.0)]


async def test_cancelling_cancels_what_is_being_done() -> None:
    queue: WorkQueue[str] = WorkQueue(debounce=0)
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(key: str) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    queue.add("a")
    working = asyncio.create_task(
        work(queue, handle, workers=1, on_failure=unexpected, stop=asyncio.Event())
    )
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert cancelled.is_set()
    assert queue.active == 0


def unexpected(key: object, error: Exception, delay: float) -> None:
    raise AssertionError(f"{key} failed") from error
