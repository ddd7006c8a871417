"""Detectors created all at once, with an operator at work: how long, how many requests, how much.

The clock starts when the first FraudDetector arrives at the API server, so that the time in which
they are created counts against the operator.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench import usage
from bench.fleet import detectors
from bench.fleet.bed import Bed
from bench.fleet.ready import wait_until
from bench.fleet.requests import Request, Requests, counted, last_answer
from fraud_operator.runtime.kinds import CHILDREN, FRAUD_DETECTOR, SECRET
from fraud_operator.runtime.kube import HttpKube
from tests.support.process import Operator

LONGEST_SECONDS = 1200.0
QUIET_SECONDS = 3.0
_STATUS = f"{FRAUD_DETECTOR.plural}/status"
_OF_CHILDREN = frozenset(kind.plural for kind in (*CHILDREN, SECRET))


@dataclass(frozen=True)
class Creation:
    """From nothing to Ready. Seconds since the first detector arrived."""

    detectors: int
    children: int
    created_seconds: float
    """Until the last detector was created."""
    applied_seconds: float
    ready_seconds: float
    """Until the last detector's status said Ready."""
    reconciles: int
    requests: dict[str, int]
    """Of the operator, but for its Lease and its watches."""
    most_applies_a_child: int
    most_status_writes: int
    most_events: int
    """The last three: of the one child or detector with the most."""
    cpu_seconds: float
    cluster_cpu_seconds: float
    """Of the control plane, kwok and the store."""
    peak_megabytes: float

    @property
    def applied_per_second(self) -> float:
        """Children."""
        return self.children / self.applied_seconds

    @property
    def ready_per_second(self) -> float:
        """Detectors."""
        return self.detectors / self.ready_seconds

    @property
    def reconciles_per_second(self) -> float:
        """Until all were Ready."""
        return self.reconciles / self.ready_seconds

    @property
    def requests_a_detector(self) -> float:
        """Reads and writes."""
        return sum(self.requests.values()) / self.detectors

    @property
    def requests_an_object(self) -> float:
        """The same for each object created: the detectors and their children."""
        return sum(self.requests.values()) / (self.detectors + self.children)

    @property
    def writes_a_detector(self) -> float:
        """Applies, status writes and Events."""
        reads = ("get ", "list ", "watch ")
        writes = sum(n for what, n in self.requests.items() if not what.startswith(reads))
        return writes / self.detectors


async def measure(
    bed: Bed,
    session: aiohttp.ClientSession,
    server: str,
    operator: Operator,
    *,
    user: str,
    namespace: str,
    count: int,
) -> Creation:
    """Create `count` detectors in `namespace`, which `operator` watches and where none is yet."""
    kube = HttpKube(session, server)
    requests = Requests(bed.audit_log)
    cpu, cluster_cpu = usage.cpu_seconds(operator.pid), bed.cpu_seconds()
    objects = await detectors.create(kube, bed, namespace, count)
    await wait_until(
        session, server, FRAUD_DETECTOR, namespace, count,
        column="Ready", value="True", seconds=LONGEST_SECONDS,
    )  # fmt: skip
    cpu, cluster_cpu = usage.cpu_seconds(operator.pid) - cpu, bed.cpu_seconds() - cluster_cpu
    await settle(bed, user)
    children = len(detectors.children(bed, objects))
    return _measured(requests, user, operator, children, count, cpu, cluster_cpu)


async def settle(bed: Bed, user: str) -> None:
    """Return after three seconds in which the operator wrote nothing but its Lease."""
    requests = Requests(bed.audit_log)
    while True:
        requests.mark()
        await asyncio.sleep(QUIET_SECONDS)
        if not requests.since_mark(user, lambda one: one.writes and one.resource != "leases"):
            return


def _measured(
    requests: Requests,
    user: str,
    operator: Operator,
    children: int,
    count: int,
    cpu: float,
    cluster_cpu: float,
) -> Creation:
    created = [
        one
        for one in requests.since_mark()
        if one.resource == FRAUD_DETECTOR.plural and one.created
    ]
    asked = requests.since_mark(user, lambda one: one.resource != "leases")
    applies = [
        one for one in asked if one.verb in ("patch", "create") and one.resource in _OF_CHILDREN
    ]
    made = [one for one in applies if one.created]
    statuses = [one for one in asked if one.resource == _STATUS]
    events = [one for one in asked if one.resource == "events"]
    assert len(created) == count, f"{len(created)} of {count} detectors were created"
    assert len(made) == children, f"{len(made)} of {children} children were created"
    began = min(one.received for one in created)
    return Creation(
        detectors=count,
        children=children,
        created_seconds=(last_answer(created) - began).total_seconds(),
        applied_seconds=(last_answer(made) - began).total_seconds(),
        ready_seconds=(last_answer(statuses) - began).total_seconds(),
        reconciles=round(operator.metric("fraud_operator_reconciles_total")),
        requests=counted(asked),
        most_applies_a_child=_most(
            (one.resource, one.object_ref.name) for one in applies if one.verb == "patch"
        ),
        most_status_writes=_most(one.object_ref.name for one in statuses),
        most_events=_most(_subject(one) for one in events),
        cpu_seconds=cpu,
        cluster_cpu_seconds=cluster_cpu,
        peak_megabytes=usage.peak_megabytes(operator.pid),
    )


def _most(what: Any) -> int:
    """How often the most frequent one occurs."""
    return max(Counter(what).values(), default=0)


def _subject(event: Request) -> str:
    """An Event's name is that of its object, a dot, and a hash."""
    return event.object_ref.name.rpartition(".")[0]


def rate_held(measured: Sequence[Creation]) -> float:
    """Children a second with the most detectors, as a share of that with the fewest."""
    fewest = min(measured, key=lambda one: one.detectors)
    most = max(measured, key=lambda one: one.detectors)
    return most.applied_per_second / fewest.applied_per_second
