"""Constant load on a pod, and what must be true of each answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.report import Report
from tests.unit.following.support import AUTHORIZED, Pod
from tests.unit.scorer.process import PATIENCE
from tests.unit.scorer.support import transaction

_CLIENTS = 6
_BATCH = 100


@dataclass
class Load:
    """What is asked, and what was answered."""

    pod: Pod
    forbidden: frozenset[str] = frozenset()
    """Digests whose withdrawal was confirmed: no request that is sent now may meet them."""
    failed: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    by: dict[str, int] = field(default_factory=dict)
    stopped: bool = False
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    async def push(self, client: httpx.AsyncClient, plan: ModelPlan) -> Report:
        """Push a plan; from its confirmation on only what it names may answer."""
        named = {one.digest for one in plan.models}
        response = await client.put(
            f"{self.pod.management}{reports.PATH}", content=plans.encode(plan), headers=AUTHORIZED
        )
        assert response.status_code == 200, response.text
        report = reports.decode(response.content)
        assert report.serial == plan.serial
        self.forbidden = frozenset(set(self.by) - named)
        return report

    async def answered(self, times: int) -> None:
        """Wait until that many more were answered."""
        until = sum(self.by.values()) + times
        async with asyncio.timeout(PATIENCE):
            while sum(self.by.values()) < until:  # noqa: ASYNC110 -- others answer
                await asyncio.sleep(0.002)

    async def singles(self) -> None:
        while not self.stopped:
            async with httpx.AsyncClient(timeout=PATIENCE) as client:  # any process may get it
                for _ in range(25):
                    forbidden = self.forbidden
                    body = transaction(transaction_id=f"t-{next(self._ids)}")
                    response = await client.post(f"{self.pod.listen}/v1/score", json=body)
                    if response.status_code != 200:
                        self.failed.append(f"{response.status_code}: {response.text}")
                        continue
                    self.saw(response.json(), forbidden)

    async def batches(self) -> None:
        while not self.stopped:
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                forbidden = self.forbidden
                body = [transaction(transaction_id=f"t-{next(self._ids)}") for _ in range(_BATCH)]
                response = await client.post(f"{self.pod.listen}/v1/score/batch", json=body)
                if response.status_code != 200:
                    self.failed.append(f"{response.status_code}: {response.text}")
                    continue
                for answer in response.json():
                    if "score" not in answer:
                        self.failed.append(str(answer))
                    else:
                        self.saw(answer, forbidden)

    def saw(self, answer: dict[str, dict[str, str]], forbidden: frozenset[str]) -> None:
        digest = answer["model"]["digest"]
        self.by[digest] = self.by.get(digest, 0) + 1
        if digest in forbidden:
            self.withdrawn.append(digest)


@asynccontextmanager
async def load(pod: Pod) -> AsyncIterator[Load]:
    """Ask all the time; at the end nothing failed, and nothing withdrawn has answered."""
    made = Load(pod)
    tasks = [asyncio.create_task(made.singles()) for _ in range(_CLIENTS)]
    tasks.append(asyncio.create_task(made.batches()))
    try:
        await made.answered(50)
        yield made
        await made.answered(200)
    finally:
        made.stopped = True
        await asyncio.gather(*tasks)
    assert made.failed == []
    assert made.withdrawn == []
