"""Who answers a transaction: claimed in Redis by its id, so that it is answered once.

A request claims its transaction, with a fingerprint of what it asks. Who is first answers and then
settles the claim with the answer; who repeats the request gets that very answer, also from another
pod; who asks something else under the same id is told so. A claim without an answer (its pod died)
is taken over after a short while. All that a turn of the event loop claims is one call, and what
was settled before goes with it.

Redis can stop nobody: where it is away a transaction is answered unclaimed, and its answer is told
later, for those who repeat the request then.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count

from fraud_scorer.redis.client import RedisClient
from fraud_scorer.redis.resp import Reply
from fraud_scorer.redis.script import Script

MOST_TOGETHER = 64
"""Claims and answers a call: Redis serves nobody else meanwhile."""
MOST_UNTOLD = 2_000
"""Answers kept for a Redis that is away; those beyond that are forgotten, the oldest first."""
FINGERPRINT_BYTES = 16

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of a claim."""

    NEW = "new"
    """It is ours: answer, and settle it."""
    SAME = "same"
    """The same request was answered: that answer is there."""
    IN_PROGRESS = "in progress"
    """The same request is being answered by another, who has not done so in time."""
    OTHER = "other"
    """Another request had that id: this one must not be answered."""
    AWAY = "away"
    """Redis did not answer in time."""


NEW, SAME, IN_PROGRESS, OTHER, AWAY = Outcome

_BY_LETTER = {0x4E: NEW, 0x53: SAME, 0x49: IN_PROGRESS, 0x4F: OTHER}


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """How transactions are claimed. Times are seconds."""

    kept: float = 3600.0
    """For how long an answer is kept for those who repeat the request, and at least."""
    lease: float = 3.0
    """A claim that is not settled by then is taken over by who repeats the request; longer than
    anybody answers."""
    wait: float = 0.05
    """For how long another's answer is waited for."""
    poll: float = 0.005
    """Between two looks for it."""
    settled: float = 0.002
    """For how long an answer may wait for a turn in which something is claimed, to go with it."""


class Claim:
    """One request's claim of its transaction."""

    __slots__ = ("answer", "done", "key", "mark", "outcome", "until")

    def __init__(self, key: bytes, mark: bytes, done: Callable[[Claim], None]) -> None:
        self.key, self.mark, self.done = key, mark, done
        self.outcome = AWAY
        self.answer = b""
        """The stored answer where it is SAME."""
        self.until = 0.0
        """When another's answer is no longer waited for."""


class Claims:
    """Of one detector. Used from the event loop's thread only."""

    def __init__(
        self, redis: RedisClient, detector: str, settings: ClaimSettings | None = None
    ) -> None:
        self._redis = redis
        self._settings = settings = settings or ClaimSettings()
        self._root = f"claims:{detector}:".encode()
        self._script = Script(__package__, "claims.lua")
        self._times = b"%d" % (settings.kept * 1000), b"%d" % (settings.lease * 1000)
        self._us = secrets.token_bytes(8)
        self._count = count()
        self._claimed: list[Claim] = []
        self._settled: list[tuple[Claim, bytes]] = []
        self._untold: deque[tuple[Claim, bytes]] = deque(maxlen=MOST_UNTOLD)
        self._due = False
        self._settling: asyncio.TimerHandle | None = None
        redis.back.append(self._tell)

    def close(self) -> None:
        """Send what waits; whoever closes Redis next sees to it that it arrives."""
        self._send_turn()
        self._redis.back.remove(self._tell)

    def claim(self, transaction_id: str, fingerprint: bytes, done: Callable[[Claim], None]) -> None:
        """Claim a transaction; `done`, which must not raise, is told what became of it."""
        if len(fingerprint) != FINGERPRINT_BYTES:
            raise ValueError(f"a fingerprint has {FINGERPRINT_BYTES} bytes")
        mark = fingerprint + self._us + next(self._count).to_bytes(8, "big")
        key = self._root + transaction_id.encode("utf-8", "surrogatepass")
        self._claim(Claim(key, mark, done))

    def settle(self, claim: Claim, answer: bytes) -> None:
        """The answer to a claim's request, once it is recorded. Where another has answered
        meanwhile, that answer stays; of one that is SAME or OTHER there is nothing to settle."""
        if not answer:
            raise ValueError("an answer has at least a byte")
        if claim.outcome is not SAME and claim.outcome is not OTHER:
            self._settle(claim, answer)

    def release(self, claim: Claim) -> None:
        """The claim's request was refused, not answered: anybody may ask at once, and anew."""
        if claim.outcome is NEW or claim.outcome is AWAY:  # Redis may have heard of it, if late
            self._settle(claim, b"")

    def _claim(self, claim: Claim) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._send_turn)
        self._claimed.append(claim)

    def _settle(self, claim: Claim, answer: bytes) -> None:
        if self._settling is None and not self._due:
            later = asyncio.get_running_loop().call_later
            self._settling = later(self._settings.settled, self._send_turn)
        self._settled.append((claim, answer))

    def _send_turn(self) -> None:
        self._due = False
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        settled, self._settled = self._settled, []
        claimed, self._claimed = self._claimed, []
        if len(settled) + len(claimed) <= MOST_TOGETHER:
            if settled or claimed:
                self._send(settled, claimed)
            return
        for first in range(0, len(settled), MOST_TOGETHER):
            self._send(settled[first : first + MOST_TOGETHER], [])
        for first in range(0, len(claimed), MOST_TOGETHER):
            self._send([], claimed[first : first + MOST_TOGETHER])

    def _send(self, settled: list[tuple[Claim, bytes]], claimed: list[Claim]) -> None:
        if not self._redis.usable:
            self._failed(settled, claimed, "Redis is away")
            return
        claims = [one for one, _ in settled] + claimed if settled else claimed
        self._redis.call(
            self._script,
            [one.key for one in claims],
            [*self._times, b"".join([one.mark for one in claims]), *(a for _, a in settled)],
            partial(self._replied, settled, claimed),
            partial(self._failed, settled, claimed),
        )

    def _replied(
        self, settled: list[tuple[Claim, bytes]], claimed: list[Claim], reply: Reply
    ) -> None:
        if type(reply) is not bytes or len(reply) < len(claimed):
            self._failed(settled, claimed, f"no reply to claims: {reply!r:.80}")
            return
        at = len(claimed)
        for one, letter in zip(claimed, reply, strict=False):
            outcome = _BY_LETTER[letter]
            if outcome is SAME:
                length = int.from_bytes(reply[at : at + 4], "big")
                one.answer = reply[at + 4 : at + 4 + length]
                at += 4 + length
            elif outcome is IN_PROGRESS and self._waits(one):
                continue
            one.outcome = outcome
            one.done(one)
        if self._untold:
            self._tell()

    def _waits(self, claim: Claim) -> bool:
        """Look for another's answer once more, unless that took long enough."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        claim.until = claim.until or now + self._settings.wait
        if now >= claim.until:
            return False
        loop.call_later(self._settings.poll, self._claim, claim)
        return True

    def _failed(self, settled: list[tuple[Claim, bytes]], claimed: list[Claim], why: str) -> None:
        if settled:
            self._untold.extend(settled)
        if claimed:
            log.debug("%d transactions are answered unclaimed: %s", len(claimed), why)
        for one in claimed:
            one.outcome = AWAY
            one.done(one)

    def _tell(self) -> None:
        """Some of the answers that Redis was not told: the rest when it has answered this."""
        if self._untold and self._redis.usable:
            some = min(len(self._untold), MOST_TOGETHER)
            self._send([self._untold.popleft() for _ in range(some)], [])
