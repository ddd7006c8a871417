"""Transactions as they come to one serving process: some in a turn of the event loop, of customers
who have a month behind them.

Half of the customers do all the work of a busy hour, so that buckets stay the same; where `step` is
longer, most find their bucket moved, as customers who pay once a day do.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from fraud_scorer.decisions.claims import Claim, Claims
from fraud_scorer.features.events import Transaction
from fraud_scorer.features.online import Answer, OnlineFeatures
from tests.stores.features.memory_history import MemoryHistory
from tests.stores.features.serving import Clock

CUSTOMERS, TERMINALS = 2400, 1200
TOGETHER = 12
"""In a turn."""
ANSWER = b'{"prediction_id":"0197f2c0-5c1e-7cc0-8000-3f1d1c2b4a5e","score":0.0123}'.ljust(600)
MARK = b"0123456789abcdef"
DAY = 86_400_000_000
_DAYS, _SHARE = 30, 0.7
"""Of history: a customer paid on that share of the days."""


def past(history: MemoryHistory, now: int) -> None:
    """What is recorded of all customers."""
    draw = random.Random(1)
    number = 0
    for customer in range(CUSTOMERS):
        for day in range(_DAYS, 0, -1):
            if draw.random() < _SHARE:
                number += 1
                time = now - day * DAY + draw.randrange(DAY // 2)
                history.record(_transaction(draw, f"past-{number}", time, customer))


@dataclass
class Stream:
    """Asks, turn by turn."""

    online: OnlineFeatures
    claims: Claims
    clock: Clock
    draw: random.Random = field(default_factory=lambda: random.Random(2))
    asked: int = 0

    async def warm(self) -> None:
        """Ask about everybody once, so that all histories are there."""
        for first in range(0, CUSTOMERS, TOGETHER):
            its = [self._next(1, customer) for customer in range(first, first + TOGETHER)]
            await asyncio.gather(*map(self.online.ask, its))

    async def run(self, count: int, step: int, *, features: bool, claims: bool) -> int:
        """Ask about so many, a turn after the other, `step` microseconds apart; how many."""
        for _ in range(count // TOGETHER):
            await self._turn([self._next(step) for _ in range(TOGETHER)], features, claims)
        return count // TOGETHER * TOGETHER

    async def _turn(self, its: list[Transaction], features: bool, claims: bool) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(its) * (features + claims)

        def one_less(answer: Answer | None = None) -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set_result(None)

        def claimed(claim: Claim) -> None:
            self.claims.settle(claim, ANSWER)
            one_less()

        for one in its:
            if claims:
                self.claims.claim(one.id, one.mark, claimed)
            if features:
                self.online.tell(one, one_less)
        await done

    def _next(self, step: int, customer: int | None = None) -> Transaction:
        self.asked += 1
        self.clock.now += step
        customer = self.draw.randrange(CUSTOMERS) if customer is None else customer
        return _transaction(self.draw, f"tx-{self.asked}", self.clock.now, customer)


def _transaction(draw: random.Random, id: str, time: int, customer: int) -> Transaction:
    entities = {"customer": f"c-{customer}", "terminal": f"t-{draw.randrange(TERMINALS)}"}
    return Transaction(id, time, entities, draw.randrange(10_000), "EUR", MARK)
