"""Claims as a serving process makes them. As a program: a process that claims at a given moment.

    python -m tests.stores.decisions.claiming PORT PASSWORD NAME COUNT

prints `ready`, waits for a line on its standard input, claims tx-0, tx-1, ... all with the same
fingerprint, settles those that are new with an answer of its own, and prints what it got as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fraud_scorer.decisions.claims import NEW, SAME, Claim, Claims, ClaimSettings
from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.client import RedisClient
from tests.cluster.control_plane import LOOPBACK

PATIENT = 20.0
"""Seconds: for tests of what is answered, not of how long it takes."""
SETTINGS = ClaimSettings(lease=60.0, wait=PATIENT)
BODY, OTHER_BODY = b"0123456789abcdef", b"fedcba9876543210"


class Pod:
    """One process's claims."""

    def __init__(self, redis: RedisClient, settings: ClaimSettings) -> None:
        self.redis = redis
        self.claims = Claims(redis, "cards", settings)
        self._others = iter(range(1 << 30))

    def start(self, transaction_id: str, body: bytes = BODY) -> asyncio.Future[Claim]:
        """Claim in this turn."""
        future: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self.claims.claim(transaction_id, body, future.set_result)
        return future

    async def claim(self, transaction_id: str, body: bytes = BODY) -> Claim:
        """Claim, and what became of it."""
        return await self.start(transaction_id, body)

    async def settle(self, claim: Claim, answer: bytes) -> None:
        """Settle, and see that Redis was told."""
        self.claims.settle(claim, answer)
        await self.settled()

    async def settled(self) -> None:
        """Redis was told: what is asked next is answered after that."""
        await self.claim(f"after {next(self._others)}")

    async def found(self) -> None:
        """Redis answers (again), knows the script, and was told what it missed."""
        await self.redis.breaker.wait_closed()
        await self.claim(f"after {next(self._others)}")
        while self.claims._untold:
            await self.claim(f"after {next(self._others)}")
        await self.claim(f"after {next(self._others)}")


@asynccontextmanager
async def pod(
    address: RedisAddress, *, deadline: float = PATIENT, **settings: float
) -> AsyncIterator[Pod]:
    """A process that has found Redis."""
    redis = RedisClient(lambda: address, deadline)
    redis.start()
    mine = Pod(redis, replace(SETTINGS, **settings))
    try:
        await redis.breaker.wait_closed()
        yield mine
    finally:
        mine.claims.close()
        await redis.aclose()


async def _main(port: int, password: str, name: str, number: int) -> None:
    async with pod(RedisAddress(LOOPBACK, port, password=password)) as mine:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def one(transaction_id: str) -> tuple[str, str]:
            claim = await mine.claim(transaction_id)
            if claim.outcome is NEW:
                mine.claims.settle(claim, f"{name}'s answer to {transaction_id}".encode())
            answer = claim.answer.decode() if claim.outcome is SAME else ""
            return claim.outcome.value, answer

        got = await asyncio.gather(*(one(f"tx-{n}") for n in range(number)))
        print(json.dumps(got), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
