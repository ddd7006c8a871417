"""With detectors that are Ready: what idling, a change, a lost child and a restart cost."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from bench import usage
from bench.fleet import detectors
from bench.fleet.bed import Bed
from bench.fleet.creation import settle
from bench.fleet.requests import Requests, counted
from fraud_operator.runtime.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    FRAUD_DETECTOR,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from fraud_operator.runtime.kube import HttpKube
from tests.support.process import Installation, Operator

_LOST = (SERVICE, CONFIG_MAP, SERVICE_ACCOUNT, DEPLOYMENT)
_POLL_SECONDS = 0.02
_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Idle:
    """Nothing changes."""

    seconds: float
    lease_writes: int
    other_writes: dict[str, int]
    reads: dict[str, int]
    cpu_share: float
    """Of one core."""
    resident_megabytes: float


@dataclass(frozen=True)
class Latencies:
    """Seconds, one for each try, sorted."""

    tries: Sequence[float]

    @property
    def median(self) -> float:
        """Half of the tries were faster."""
        return statistics.median(self.tries)

    @property
    def p99(self) -> float:
        """99 of 100 tries were at least as fast."""
        return self.tries[-(-99 * len(self.tries) // 100) - 1]

    @property
    def slowest(self) -> float:
        """All tries were at least as fast."""
        return self.tries[-1]


@dataclass(frozen=True)
class Restart:
    """A new process finds everything as it should be."""

    ready_seconds: float
    """From the start of the process until it leads and has looked at every detector and store."""
    writes: dict[str, int]
    """But its Lease."""
    cpu_seconds: float


@dataclass(frozen=True)
class Steady:
    """The same cluster, one measurement after the other."""

    bed: Bed
    session: aiohttp.ClientSession
    server: str
    installation: Installation
    count: int

    @property
    def _user(self) -> str:
        return self.installation.user

    async def idle(self, operator: Operator, seconds: float) -> Idle:
        """What is written and used in that time."""
        await settle(self.bed, self._user)
        requests = Requests(self.bed.audit_log)
        cpu, began = usage.cpu_seconds(operator.pid), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        used = usage.cpu_seconds(operator.pid) - cpu
        asked = requests.since_mark(self._user)
        writes = [one for one in asked if one.writes]
        leases = [one for one in writes if one.resource == "leases"]
        return Idle(
            seconds=took,
            lease_writes=len(leases),
            other_writes=counted(one for one in writes if one.resource != "leases"),
            reads=counted(one for one in asked if not one.writes),
            cpu_share=used / took,
            resident_megabytes=usage.resident_megabytes(operator.pid),
        )

    async def changes(self, tries: int) -> Latencies:
        """From a changed detector's arrival until its Deployment is written, one at a time."""
        kube = HttpKube(self.session, self.server)
        requests = Requests(self.bed.audit_log)
        rng = random.Random(0)
        names = rng.sample(detectors.names(self.count), min(tries, self.count))
        for name in names:
            changed = detectors.detector(self.bed, self._namespace, name, cpu="60m")
            await kube.apply(changed, manager=detectors.MANAGER, force=True)
            await self._wait_for_cpu(kube, name, "60m")
            await asyncio.sleep(rng.uniform(0, 0.1))
        await asyncio.sleep(_PAUSE_SECONDS)
        arrived = {
            one.object_ref.name: one.received
            for one in requests.since_mark(where=lambda one: one.verb == "patch")
            if one.resource == FRAUD_DETECTOR.plural
        }
        written = self._first_answers(requests, DEPLOYMENT)
        return _latencies(
            (written[f"{name}-scorer"] - arrived[name]).total_seconds() for name in names
        )

    async def losses(self, tries: int) -> Latencies:
        """From a deleted child until it is there again, one at a time, kind by kind."""
        kube = HttpKube(self.session, self.server)
        took: list[float] = []
        for number, name in enumerate(random.Random(1).sample(detectors.names(self.count), tries)):
            kind = _LOST[number % len(_LOST)]
            child = f"{name}-model-plan" if kind == CONFIG_MAP else f"{name}-scorer"
            found = await kube.get(kind, self._namespace, child)
            assert found is not None
            uid = found["metadata"]["uid"]
            requests = Requests(self.bed.audit_log)
            await kube.delete(kind, self._namespace, child, uid=uid)
            await self._wait_for_other(kube, kind, child, uid)
            # What else goes with a Deployment is over by then, and all of it is in the log.
            await asyncio.sleep(_PAUSE_SECONDS)
            deleted = next(
                one.answered
                for one in requests.since_mark()
                if one.verb == "delete" and one.object_ref.name == child
            )
            again = self._first_answers(requests, kind)[child]
            took.append((again - deleted).total_seconds())
        return _latencies(took)

    async def restart(self) -> tuple[Operator, Restart]:
        """Start an operator where everything is there already."""
        requests = Requests(self.bed.audit_log)
        began = time.monotonic()
        operator = self.installation.operator("restarted", "--log-level=info")
        while not self._done(operator):
            if time.monotonic() - began > _PATIENCE_SECONDS * 5:
                raise TimeoutError(f"the operator does not become ready; see {operator.log}")
            await asyncio.sleep(0.1)
        took, cpu = time.monotonic() - began, usage.cpu_seconds(operator.pid)
        await settle(self.bed, self._user)
        writes = requests.since_mark(
            self._user, lambda one: one.writes and one.resource != "leases"
        )
        return operator, Restart(took, counted(writes), cpu)

    @property
    def _namespace(self) -> str:
        return self.installation.namespace

    def _done(self, operator: Operator) -> bool:
        """Whether the store that all share has been looked at, and nothing waits for work."""
        return (
            operator.leads()
            and operator.metric("fraud_operator_store_polls_total") >= 1
            and operator.metric("fraud_operator_reconciles_total") >= self.count
            and operator.metric("fraud_operator_queue_waiting") == 0
            and operator.metric("fraud_operator_queue_active") == 0
        )

    def _first_answers(self, requests: Requests, kind: Kind) -> dict[str, datetime]:
        """When the operator's first write to each object of that kind was answered."""
        found: dict[str, datetime] = {}
        for one in requests.since_mark(self._user):
            if one.resource == kind.plural and one.writes:
                found.setdefault(one.object_ref.name, one.answered)
        return found

    async def _wait_for_cpu(self, kube: HttpKube, name: str, cpu: str) -> None:
        """Until the Deployment's pods request that much CPU."""

        async def arrived() -> bool:
            found = await kube.get(DEPLOYMENT, self._namespace, f"{name}-scorer")
            assert found is not None
            (container,) = found["spec"]["template"]["spec"]["containers"]
            return bool(container["resources"]["requests"]["cpu"] == cpu)

        await _until(f"the change of {name}", arrived)

    async def _wait_for_other(self, kube: HttpKube, kind: Kind, child: str, uid: str) -> None:
        """Until there is one of that name with another uid."""

        async def there() -> bool:
            found = await kube.get(kind, self._namespace, child)
            return found is not None and found["metadata"]["uid"] != uid

        await _until(f"another {kind} {child}", there)


async def _until(what: str, true: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not await true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {_PATIENCE_SECONDS:.0f} s: {what}")
        await asyncio.sleep(_POLL_SECONDS)


def _latencies(seconds: Iterable[float]) -> Latencies:
    return Latencies(sorted(seconds))
