"""Whatever pods do in whatever order, claims are what a plain model of them says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraud_scorer.decisions.claims import IN_PROGRESS, NEW, OTHER, SAME, Claim, Outcome
from tests.stores.decisions.claiming import BODY, OTHER_BODY, Pod, pod
from tests.support.redis import RedisServer

IDS, BODIES, PODS = ("tx-1", "tx-2"), (BODY, OTHER_BODY), (0, 1)
KEPT, LEASE = 3600.0, 60.0

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("claim"), st.sampled_from(PODS), st.sampled_from(IDS), st.sampled_from(BODIES)
        ),
        st.tuples(st.sampled_from(["settle", "release"]), st.sampled_from(PODS), st.integers(0, 9)),
        st.tuples(st.just("lease ends"), st.sampled_from(IDS)),
        st.tuples(st.just("flush")),
    ),
    max_size=25,
)


@dataclass
class Held:
    """What is known of a transaction."""

    body: bytes
    by: Claim | None = None
    answer: bytes = b""
    abandoned: bool = False


@dataclass
class Model:
    """Claims, plainly."""

    held: dict[str, Held] = field(default_factory=dict)

    def expected(self, transaction_id: str, body: bytes) -> tuple[Outcome, bytes]:
        found = self.held.get(transaction_id)
        if found is None:
            return NEW, b""
        if found.body != body:
            return OTHER, b""
        if found.answer:
            return SAME, found.answer
        return (NEW if found.abandoned else IN_PROGRESS), b""

    def settle(self, transaction_id: str, body: bytes, claim: Claim, answer: bytes) -> None:
        found = self.held.get(transaction_id)
        if claim.outcome in (SAME, OTHER):
            return
        if found is None or (not found.answer and found.by is claim):
            self.held[transaction_id] = Held(body, None, answer)

    def release(self, transaction_id: str, claim: Claim) -> None:
        found = self.held.get(transaction_id)
        if claim.outcome is NEW and found and not found.answer and found.by is claim:
            del self.held[transaction_id]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
def test_claims_are_as_the_model_says(redis_server: RedisServer, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    redis_server.client().flushall()
    asyncio.run(follow(redis_server, steps))


async def follow(redis: RedisServer, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    model, claims = Model(), list[tuple[str, bytes, Claim]]()
    quick = {"wait": 0.0, "lease": LEASE, "kept": KEPT}
    async with pod(redis.address, **quick) as one, pod(redis.address, **quick) as other:
        pods: tuple[Pod, Pod] = (one, other)
        for number, (what, *details) in enumerate(steps):
            if what == "claim":
                which, transaction_id, body = details
                expected = model.expected(transaction_id, body)
                claim = await pods[which].claim(transaction_id, body)
                assert (claim.outcome, claim.answer) == expected
                claims.append((transaction_id, body, claim))
                if claim.outcome is NEW:
                    model.held[transaction_id] = Held(body, claim)
            elif what == "lease ends":
                (transaction_id,) = details
                if found := model.held.get(transaction_id):
                    found.abandoned = True
                    key = f"claims:cards:{transaction_id}"
                    redis.client().pexpire(key, int((KEPT - LEASE) * 1000))
            elif what == "flush":
                redis.client().flushall()
                model.held.clear()
            elif claims:
                which, index = details
                transaction_id, body, claim = claims[index % len(claims)]
                if what == "settle":
                    answer = b"answer %d" % number
                    await pods[which].settle(claim, answer)
                    model.settle(transaction_id, body, claim, answer)
                else:
                    pods[which].claims.release(claim)
                    await pods[which].settled()
                    model.release(transaction_id, claim)
