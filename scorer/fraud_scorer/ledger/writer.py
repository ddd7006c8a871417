"""Recording, as a serving process sees it: an entry is in the spool before its answer is sent.

Spooled, the default: the entry is in memory that the kernel writes out, so that it outlives the
process however that ends; a thread has it on the disk within `sync_every` seconds, which is what a
crash of the machine may cost. Committed: the answer waits for the disk as well; all that wait
share one sync. Async: the entry is appended within `sync_every` after its answer, and the death of
the process may cost it.

What happens when the spool is full is declared, too: `block` gives no answer that is not recorded,
`degrade` answers and counts, and the chain says later how many answers it does not have.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fraud_scorer.ledger.chain import link, new_chain, origin
from fraud_scorer.ledger.entries import (
    Answered,
    Began,
    Ended,
    Entry,
    Missed,
    Personal,
    commitment,
    encode,
    salted,
    salts,
)
from fraud_scorer.ledger.room import Room
from fraud_scorer.ledger.segment import BEFORE_BODY
from fraud_scorer.ledger.spool import Spool, SpoolFull

Durability = Literal["Spooled", "Committed", "Async"]
WhenFull = Literal["block", "degrade"]

_WAITING_LIMIT = 100_000
"""Entries that Async holds in memory at most."""
_SMALLEST_SEGMENT = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What was declared. Sizes are bytes, times seconds; `segment_age` is when a segment is closed
    although it is not full, so that it can be sealed."""

    durability: Durability = "Spooled"
    when_full: WhenFull = "block"
    segment_bytes: int = 8 << 20
    segment_age: float = 60.0
    sync_every: float = 0.05

    def __post_init__(self) -> None:
        if self.segment_bytes < _SMALLEST_SEGMENT or self.segment_bytes % mmap.PAGESIZE:
            raise ValueError(
                f"a segment of {self.segment_bytes} bytes: take at least {_SMALLEST_SEGMENT}, and a"
                f" multiple of {mmap.PAGESIZE}"
            )
        if not 0 < self.sync_every <= 0.1:
            raise ValueError(f"{self.sync_every} s between syncs: take at most 0.1")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an entry. Where there is something to wait for, it is on the disk after."""

    missed: bool = False
    wait: asyncio.Future[None] | None = None


_RECORDED, _MISSED = Receipt(), Receipt(missed=True)


class Writer:
    """The chain of one process. Used from one thread; `close` it, or the shipper will find that the
    process died."""

    def __init__(
        self, spool: Spool, recording: Recording, *, detector: str, pod: str, software: str
    ) -> None:
        """Begin a chain. Raises SpoolFull, OSError where the folder cannot be written, and
        ValueError for a spool without room for two segments: one goes while the other comes."""
        if spool.limit < 2 * recording.segment_bytes:
            raise ValueError(
                f"a spool of {spool.limit} bytes cannot hold two segments of"
                f" {recording.segment_bytes}: have a larger one, or smaller segments"
            )
        self.chain = new_chain()
        self.recorded = 0
        """Entries in the chain."""
        self.missed = 0
        """Answers that it does not have."""
        self.blocked = ""
        """Why answers are refused, where the policy is `block`; empty once there is room again."""
        self._recording, self._durability = recording, recording.durability
        self._lock = spool.begin(self.chain)
        self._hash = origin(self.chain)
        self._salts = salts()
        self._room = Room(spool, self.chain, recording.segment_bytes)
        self._guard = threading.Lock()
        self._segment = self._room.take(self.recorded, self._hash)
        self._segment.populate()
        self._missed_since: datetime | None = None
        self._missed_unsaid = 0
        self._later: deque[tuple[Entry, Personal | None]] = deque()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._failure = ""
        self._wake, self._closing = threading.Event(), False
        self._append(Began(datetime.now(UTC), str(self.chain), detector, pod, software), None)
        self._tender = threading.Thread(target=self._tend, name="ledger", daemon=True)
        self._tender.start()

    def record(self, entry: Entry, personal: Personal | None = None) -> Receipt:
        """Record an entry with what is personal about it, as declared.

        Raises SpoolFull where there is no room and the policy is `block`.
        """
        durability = self._durability
        try:
            if durability == "Async":
                if len(self._later) >= _WAITING_LIMIT:
                    raise SpoolFull(f"{_WAITING_LIMIT} entries wait for room in the spool")
                self._later.append((entry, personal))
                return _RECORDED
            self._append(entry, personal)
        except SpoolFull:
            if self._recording.when_full == "block":
                # Empty for a record that is too large for any segment: others are welcome.
                self.blocked = self._failure or self._room.full
                raise
            self._miss(1)
            return _MISSED
        return _RECORDED if durability == "Spooled" else Receipt(wait=self._waiter())

    def close(self) -> None:
        """End the chain in order. Everything is on the disk afterwards."""
        self._closing = True
        self._wake.set()
        self._tender.join()
        self._append_later()
        try:
            self._append(Ended(datetime.now(UTC)), None)
        except SpoolFull:
            _log.warning("the chain ends without saying so, as the spool is full")
        self._room.finish(self._segment)
        self._room.close()
        self._resolve(self.recorded, "")
        os.close(self._lock)

    def _append(self, entry: Entry, personal: Personal | None) -> None:
        """What every answer pays for: two encodings, two digests and a copy."""
        beside = b""
        if personal is not None:
            beside = salted(personal, next(self._salts))
            if type(entry) is Answered:
                entry.personal = commitment(beside)
        body = encode(entry)
        with self._guard:
            if self._missed_unsaid:
                self._say_what_was_missed()
            self._put(body, beside)

    def _put(self, body: bytes, beside: bytes) -> None:
        """The caller holds the guard."""
        if self._failure:
            raise SpoolFull(self._failure)
        digest = link(self._hash, body)
        size = BEFORE_BODY + len(body) + len(beside)
        if not self._segment.put(body, beside, digest, size):
            self._next_segment(size)
            self._segment.put(body, beside, digest, size)
        self._hash = digest
        self.recorded += 1

    def _say_what_was_missed(self) -> None:
        now = datetime.now(UTC)
        self._put(encode(Missed(now, self._missed_since or now, self._missed_unsaid)), b"")
        self._missed_unsaid = 0

    def _next_segment(self, size: int = 0) -> None:
        """Go on in another segment. The caller holds the guard."""
        following = self._room.take(self.recorded, self._hash, at_least=size)
        self._room.retire(self._segment)
        self._segment = following
        self._wake.set()

    def _miss(self, count: int) -> None:
        with self._guard:
            if not self._missed_unsaid:
                self._missed_since = datetime.now(UTC)
            self.missed += count
            self._missed_unsaid += count

    def _waiter(self) -> asyncio.Future[None]:
        """Done once the last entry is on the disk."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((self.recorded, future))
        self._wake.set()
        return future

    def _tend(self) -> None:
        """In a thread: what may wait for the disk."""
        while not self._closing:
            self._wake.wait(self._recording.sync_every)
            self._wake.clear()
            self._append_later()
            try:
                self._turn_if_old()
                self._sync()
                if self._room.prepare() and not self._failure:
                    self.blocked = ""
            except OSError as error:
                self._fail(error)

    def _append_later(self) -> None:
        while self._later:
            entry, personal = self._later[0]
            try:
                self._append(entry, personal)
            except SpoolFull:
                if self._recording.when_full == "block" and not self._closing:
                    return  # what follows is refused once there are too many
                self._miss(1)
            self._later.popleft()

    def _turn_if_old(self) -> None:
        with self._guard, suppress(SpoolFull):
            if self._segment.older_than(self._recording.segment_age):
                self._next_segment()

    def _sync(self) -> None:
        with self._guard:
            upto, segment = self.recorded, self._segment
        self._room.finish_retired()
        segment.sync()
        if self._waiters:
            self._tell(upto, "")

    def _fail(self, error: OSError) -> None:
        """The disk is broken, and nobody knows what is on it: what comes now is not recorded."""
        self._failure = f"the spool's disk fails ({error.strerror}): move this pod to another node"
        _log.error("the spool fails", extra={"error": str(error)})
        self._tell(self.recorded, self._failure)

    def _tell(self, upto: int, failure: str) -> None:
        with suppress(IndexError, RuntimeError):  # nobody waits any more, or the loop is closed
            self._waiters[0][1].get_loop().call_soon_threadsafe(self._resolve, upto, failure)

    def _resolve(self, upto: int, failure: str) -> None:
        while self._waiters and self._waiters[0][0] <= upto:
            _, future = self._waiters.popleft()
            if future.done() or future.get_loop().is_closed():
                continue
            if failure:
                future.set_exception(SpoolFull(failure))
            else:
                future.set_result(None)
