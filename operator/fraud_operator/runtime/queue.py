"""Which key is worked on next: deduplicated, one worker a key, debounced, with backoff.

A key that is added again while it waits is one key; added while it is worked on, it comes once
more afterwards. A key at rest is due almost at once, so that what was deleted is back before
anybody misses it; one that was worked on lately rests for the debounce first. Later additions
extend neither, so a key that changes all the time is not starved. The earliest of several due times
wins. What must not wait at all (`hurry`) is due now, or the moment that the work under way ends.

What is only the end of something heard of already (`calm`) is due within seconds, so that it is
looked at together with what comes of it.

What is new can wait for what is under way: `add` with `patient` puts a key behind all others that
become due within five minutes, so that a thousand new detectors are finished one after the other
instead of being begun all at once, and a change to an old one does not wait for them.

`WorkQueue` holds the rules and no task: clock and randomness are arguments, so tests decide what
time it is. `work` drives it with asyncio tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
_Heap = list[tuple[float, int, Key]]
"""When a key is due, in which order it came, and the key."""

DEBOUNCE = 0.3
SETTLE = 0.02
"""What belongs together arrives together: children that are deleted or applied by one command."""
CALM = 5.0
PATIENCE = 300.0
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 300.0
_JITTER = 0.25


class WorkQueue(Generic[Key]):
    """Keys and when they are due. Times are seconds of `clock`."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
        debounce: float = DEBOUNCE,
        settle: float = SETTLE,
    ) -> None:
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._debounce = debounce
        self._settle = min(settle, debounce)
        self._due: dict[Key, float] = {}
        self._urgent: _Heap[Key] = []
        self._patient: _Heap[Key] = []
        self._waits: set[Key] = set()
        """The keys of `_patient`; what else is in there is stale."""
        self._order = itertools.count()
        self._active: set[Key] = set()
        self._hurried: set[Key] = set()
        """Keys that are worked on and are to be due again the moment that they are not."""
        self._rested: dict[Key, float] = {}
        """When keys that were worked on lately have rested, in that order."""
        self._failures: dict[Key, int] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called whenever a key may have become due earlier than `wait` said."""

    def __len__(self) -> int:
        """How many keys wait, be they due or not."""
        return len(self._due)

    @property
    def active(self) -> int:
        """How many keys are being worked on."""
        return len(self._active)

    def add(self, key: Key, *, patient: bool = False, calm: bool = False) -> None:
        """Something about `key` changed: it is due when it has settled, and rested."""
        now = self._clock()
        if patient:
            if key not in self._due and key not in self._active:
                self._waits.add(key)
        elif key in self._waits:
            self._waits.remove(key)
            self._push(key, self._due[key])
        settled = CALM if calm else self._settle
        self.add_after(key, max(settled, self._rested.get(key, now) - now))

    def hurry(self, key: Key) -> None:
        """Something about `key` changed that must not wait: it is due now, without a rest."""
        if key in self._waits:
            self._waits.remove(key)
        if key in self._active:
            self._hurried.add(key)
        self._due.pop(key, None)
        self.add_after(key, 0.0)

    def add_after(self, key: Key, delay: float) -> None:
        """`key` is due in `delay` seconds, or earlier where it already is."""
        at = self._clock() + delay
        if self._due.get(key, float("inf")) <= at:
            return
        self._due[key] = at
        if key not in self._active:
            self._push(key, at)

    def take(self) -> Key | None:
        """A key that is due and that nobody works on; it must be given to `done` or `failed`."""
        now = self._clock()
        urgent, patient = (
            at if (at := self._next(heap)) is not None and at <= now else None
            for heap in (self._urgent, self._patient)
        )
        if urgent is None and patient is None:
            return None
        first = patient is None or (urgent is not None and urgent <= patient + PATIENCE)
        _, _, key = heapq.heappop(self._urgent if first else self._patient)
        del self._due[key]
        self._waits.discard(key)
        self._active.add(key)
        return key

    def wait(self) -> float | None:
        """Seconds until `take` is worth calling again; None while nothing waits."""
        at = self._earliest()
        return None if at is None else max(0.0, at - self._clock())

    def behind(self) -> float:
        """For how many seconds the key that is longest due has waited for a worker."""
        at = self._earliest()
        return 0.0 if at is None else max(0.0, self._clock() - at)

    def done(self, key: Key, again_after: float | None = None) -> None:
        """The work on `key` succeeded; look again in `again_after` seconds at the latest."""
        self._failures.pop(key, None)
        self._release(key)
        if again_after is not None:
            self.add_after(key, again_after)

    def failed(self, key: Key) -> float:
        """The work on `key` failed; returns in how many seconds it is tried again."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * float(2 ** min(count, 16)))
        delay = max(FIRST_BACKOFF, longest * (1 - _JITTER * self._rng.random()))
        self._release(key)
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """`key` is gone: nothing about it is due any more, unless it is added again."""
        self._failures.pop(key, None)
        self._waits.discard(key)
        self._rested.pop(key, None)
        self._due.pop(key, None)
        self._hurried.discard(key)

    def _release(self, key: Key) -> None:
        now = self._clock()
        self._active.discard(key)
        while self._rested and next(iter(self._rested.values())) <= now:
            del self._rested[next(iter(self._rested))]
        self._rested.pop(key, None)
        self._rested[key] = now + self._debounce
        if key in self._due:
            rest = 0.0 if key in self._hurried else self._debounce
            self._due[key] = max(self._due[key], now + rest)
            self._push(key, self._due[key])
        self._hurried.discard(key)

    def _push(self, key: Key, at: float) -> None:
        heap = self._patient if key in self._waits else self._urgent
        heapq.heappush(heap, (at, next(self._order), key))
        self.changed()

    def _next(self, heap: _Heap[Key]) -> float | None:
        """When the first key of `heap` is due; drops what is stale."""
        while heap:
            at, _, key = heap[0]
            right = heap is (self._patient if key in self._waits else self._urgent)
            if right and self._due.get(key) == at and key not in self._active:
                return at
            heapq.heappop(heap)
        return None

    def _earliest(self) -> float | None:
        heads = (self._next(self._urgent), self._next(self._patient))
        return min((at for at in heads if at is not None), default=None)


async def work(
    queue: WorkQueue[Key],
    handle: Callable[[Key], Awaitable[float | None]],
    *,
    workers: int,
    on_failure: Callable[[Key, Exception, float], None],
    stop: asyncio.Event,
) -> None:
    """Give due keys to `handle`, at most `workers` at a time, until `stop` is set.

    `handle` returns in how many seconds the key is due again at the latest, or None. What it
    raises is told to `on_failure` together with the backoff, and never ends the loop. Returns when
    the keys that were being worked on are finished; cancelled, it cancels them.
    """
    wake = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    async def one(key: Key) -> None:
        try:
            again_after = await handle(key)
        except Exception as error:
            on_failure(key, error, queue.failed(key))
        except asyncio.CancelledError:
            queue.done(key, 0.0)
            raise
        else:
            queue.done(key, again_after)

    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        wake.set()

    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: wake.set())
    queue.changed = wake.set
    try:
        while not stop.is_set():
            wake.clear()
            while len(running) < workers and (key := queue.take()) is not None:
                task = asyncio.create_task(one(key), name=f"work on {key}")
                task.add_done_callback(ended)
                running.add(task)
            free = len(running) < workers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(queue.wait() if free else None):
                    await wake.wait()
        if running:
            await asyncio.wait(running)
    finally:
        queue.changed = lambda: None
        leftover: set[asyncio.Task[Any]] = {stopping, *running}
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)
