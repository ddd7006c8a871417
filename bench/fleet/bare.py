"""The limit: a script that applies the plan's objects and does nothing else.

It creates each detector, as the benchmark of the operator has to, then its children, which it knows
but for their owner's uid. It looks at nothing, and uses the operator's own client. How long the
cluster then takes until all Deployments are available is the time that no operator can beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from bench.fleet import detectors
from bench.fleet.bed import Bed
from bench.fleet.ready import wait_until
from bench.fleet.requests import Requests, last_answer
from fraud_operator.runtime.kinds import DEPLOYMENT
from fraud_operator.runtime.kube import HttpKube

LONGEST_SECONDS = 1200.0


@dataclass(frozen=True)
class Limit:
    """What the bare script took. Seconds since its first request arrived."""

    detectors: int
    children: int
    concurrency: int
    """Detectors at a time."""
    applied_seconds: float
    ready_seconds: float
    """Until the last Deployment was available."""
    cluster_cpu_seconds: float
    """Of the control plane, kwok and the store until then."""

    @property
    def applied_per_second(self) -> float:
        """Children."""
        return self.children / self.applied_seconds

    @property
    def ready_per_second(self) -> float:
        """Detectors with an available Deployment: no operator has more Ready on this machine."""
        return self.detectors / self.ready_seconds


async def measure(
    bed: Bed,
    session: aiohttp.ClientSession,
    server: str,
    *,
    count: int,
    concurrency: int,
) -> Limit:
    """Create `count` detectors that no operator looks after, and apply their children."""
    kube = HttpKube(session, server)
    requests = Requests(bed.audit_log)
    with bed.namespace(f"bare-{count}-{concurrency}") as namespace:
        pattern = detectors.pattern(bed, namespace)
        children = 0
        requests.mark()
        cpu = bed.cpu_seconds()

        async def apply(name: str) -> None:
            nonlocal children
            made = await kube.apply(
                detectors.detector(bed, namespace, name), manager=detectors.MANAGER, force=True
            )
            for manifest in pattern(name, made["metadata"]["uid"]):
                await kube.apply(manifest, force=False)
                children += 1

        await detectors.each(apply, detectors.names(count), concurrency)
        await wait_until(
            session, server, DEPLOYMENT, namespace, count,
            column="Available", value=1, seconds=LONGEST_SECONDS,
        )  # fmt: skip
        used = bed.cpu_seconds() - cpu
        of_namespace = requests.since_mark(
            where=lambda one: one.object_ref.namespace == namespace and one.writes
        )
        applies = [one for one in of_namespace if one.verb == "patch" and one.created]
        made = count + children
        assert len(applies) == made, f"{len(applies)} of {made} were applied"
        began = min(one.received for one in applies)
        settled = [one for one in of_namespace if one.resource == "deployments/status"]
        return Limit(
            detectors=count,
            children=children,
            concurrency=concurrency,
            applied_seconds=(last_answer(applies) - began).total_seconds(),
            ready_seconds=(last_answer(settled) - began).total_seconds(),
            cluster_cpu_seconds=used,
        )
