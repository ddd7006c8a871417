"""Processor time a request of Redis, and of the process that asks it, with the handbook's windows.

Both are read from the operating system's own accounting. All phases come in turns, round by round,
and the least of the rounds is what it costs where nobody else has the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import machine
from bench.asking.stream import DAY, Stream, past
from bench.table import table
from examples.handbook import windows
from fraud_scorer.decisions.claims import Claims
from fraud_scorer.features.layout import layout
from fraud_scorer.features.online import OnlineFeatures, system_clock
from fraud_scorer.features.settings import Settings
from fraud_scorer.redis.client import RedisClient
from tests.cluster.progress import step
from tests.stores.features.memory_history import MemoryHistory
from tests.stores.features.serving import Clock
from tests.support import redis
from tests.support.redis import RedisServer

REQUESTS, ROUNDS = 12_000, 5
QUICK_REQUESTS, QUICK_ROUNDS = 3_000, 2
PATIENCE = 20.0
SETTINGS = Settings(ttl=1e6, settle=60.0, history_deadline=PATIENCE, rebuilds=10_000)


@dataclass(frozen=True)
class Phase:
    """What is asked. `apart`: microseconds between two transactions."""

    name: str
    apart: int
    features: bool = True
    claims: bool = True


PHASES = (
    Phase("features", 1, claims=False),
    Phase("claims and their answers", 1, features=False),
    Phase("both", 1),
    Phase("both, and customers' hours have passed", DAY // 5000),
)


@dataclass(frozen=True)
class Cost:
    """Microseconds a request."""

    redis: float
    script: float
    """Of that, in the scripts, as Redis counts it: by the clock, so that others' work counts."""
    asking: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.asking", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests and rounds")
    quick = parser.parse_args(arguments).quick
    count, rounds = (QUICK_REQUESTS, QUICK_ROUNDS) if quick else (REQUESTS, ROUNDS)
    for server in redis.serve():
        with step("asking Redis"):
            costs = asyncio.run(_measure(server, count, rounds))
        rows = [
            (phase.name, *(f"{min(each):.1f}" for each in zip(*its, strict=True)))
            for phase, its in (
                (phase, [(one.redis, one.script, one.asking) for one in costs[phase]])
                for phase in PHASES
            )
        ]
        print(table([("µs a request", "Redis", "its scripts", "asking"), *rows]))
        print(", ".join(f"{name}: {what}" for name, what in machine.facts("scorer").items()))
    return 0


async def _measure(server: RedisServer, count: int, rounds: int) -> dict[Phase, list[Cost]]:
    client = RedisClient(lambda: server.address, PATIENCE)
    clock, history = Clock(system_clock() // DAY * DAY - DAY // 2), MemoryHistory()
    past(history, clock.now)
    online = OnlineFeatures(layout(windows.declared()), client, history, SETTINGS, clock)
    claims = Claims(client, "bench")
    try:
        await online.start(PATIENCE)
        stream = Stream(online, claims, clock)
        await stream.warm()
        # From here on nothing may be on its way from before Redis's beginning.
        born = online.redis._born
        server.client().setrange(born, 8, bytes(8))
        await stream.warm()
        clock.now += 2 * int(SETTINGS.settle * 1e6)
        await stream.warm()
        costs: dict[Phase, list[Cost]] = {phase: [] for phase in PHASES}
        for _ in range(rounds):
            await stream.warm()
            for phase in PHASES:
                costs[phase].append(await _cost(server, stream, phase, count))
        return costs
    finally:
        await online.aclose()
        claims.close()
        await client.aclose()


async def _cost(server: RedisServer, stream: Stream, phase: Phase, count: int) -> Cost:
    observer = server.client()
    observer.config_resetstat()
    before, began = _used(observer.info("cpu")), time.process_time()
    asked = await stream.run(count, phase.apart, features=phase.features, claims=phase.claims)
    asking, used = time.process_time() - began, _used(observer.info("cpu")) - before
    scripts = observer.info("commandstats")["cmdstat_evalsha"]["usec"]
    return Cost(used / asked * 1e6, scripts / asked, asking / asked * 1e6)


def _used(info: dict[str, float]) -> float:
    return info["used_cpu_user"] + info["used_cpu_sys"]


if __name__ == "__main__":
    sys.exit(main())
