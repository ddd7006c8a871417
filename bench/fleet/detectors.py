"""The FraudDetectors that are measured, and what the operator's own plan makes of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from bench.fleet.bed import PREFIX, SECRET, TAINT, VERSION, Bed
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.cli.planning.foresight import followed_through
from fraud_operator.plan.types import (
    Inputs,
    Observed,
    OperatorDefaults,
    StoreVersion,
    StoreView,
)
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import HttpKube
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import encode
from tests.support.bucket import BUCKET
from tests.support.process import SCORER_IMAGE

Object = dict[str, Any]
T = TypeVar("T")

MANAGER = "bench"
_NAME, _UID = "name-of-detector", "uid-of-detector"
CONCURRENCY = 32
"""Of whatever the benchmark itself asks of the API server outside of a measurement."""


def names(count: int) -> list[str]:
    """The detectors' names."""
    return [f"detector-{number:04}" for number in range(count)]


def detector(bed: Bed, namespace: str, name: str, *, cpu: str = "50m") -> Object:
    """A detector with one pod, which only kwok's nodes take."""
    s3 = {
        "bucket": BUCKET,
        "prefix": PREFIX,
        "endpoint": bed.endpoint,
        "credentialsSecret": SECRET,
    }
    return {
        "apiVersion": FRAUD_DETECTOR.api_version,
        "kind": FRAUD_DETECTOR.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            # As rarely as a detector may look: idle is measured without polling.
            "model": {"source": {"s3": s3}, "syncInterval": "24h"},
            "scorer": {
                "replicas": 1,
                "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}},
                "tolerations": [{"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}],
            },
        },
    }


async def create(kube: HttpKube, bed: Bed, namespace: str, count: int) -> list[Object]:
    """Create that many detectors, as fast as the API server takes them."""

    async def one(name: str) -> Object:
        return await kube.apply(detector(bed, namespace, name), manager=MANAGER, force=True)

    return await each(one, names(count), CONCURRENCY)


def children(bed: Bed, detectors: Sequence[Mapping[str, Any]]) -> list[Object]:
    """Every object that the operator would make for these detectors, in its order; the Job that
    proves the version among them, which is gone afterwards."""
    versions = (StoreVersion(VERSION, bed.published, sha256_hex(encode(bed.published))),)
    view = StoreView(versions, listed=True)
    now = datetime.now(UTC)
    found: list[Object] = []
    for obj in detectors:
        inputs = Inputs(
            FraudDetector.parse(obj), Observed(), view, OperatorDefaults(SCORER_IMAGE), now
        )
        found += [desired.manifest for desired in followed_through(inputs)[0].objects]
    return found


def pattern(bed: Bed, namespace: str) -> Callable[[str, str], list[Object]]:
    """What `children` gives for a detector of that name and uid, but made beforehand: a script that
    is to be as fast as can be spends no time on planning."""
    obj = detector(bed, namespace, _NAME) | {"metadata": {"name": _NAME, "namespace": namespace}}
    obj["metadata"] |= {"uid": _UID, "generation": 1}
    text = json.dumps(children(bed, [obj]))

    def made(name: str, uid: str) -> list[Object]:
        found: list[Object] = json.loads(text.replace(_NAME, name).replace(_UID, uid))
        return found

    return made


async def each(
    do: Callable[[Any], Awaitable[T]], items: Iterable[Any], concurrency: int
) -> list[T]:
    """`do` for every item, that many at a time; the results, in the order of the items."""
    waiting = iter(list(enumerate(items)))
    results: dict[int, T] = {}

    async def worker() -> None:
        for at, item in waiting:
            results[at] = await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return [results[at] for at in sorted(results)]
