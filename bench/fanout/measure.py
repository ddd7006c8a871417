"""From a plan that withdraws a version to its confirmation by the last pod.

What pushes is the operator's own Fleet. Pods are stand-ins in another process on loopback, each
with an address of its own; they check the token and the plan's checksum as pods do, and switch
nothing.
Every round has new connections, as a withdrawal has that comes after a quiet time. A second
measurement has one pod that takes the connection and never answers.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import machine
from bench.goals import Goal, verdict
from bench.table import of_goals, table
from fraud_operator.models.fleet import SILENT_SECONDS, Fleet
from fraud_operator.observe.store import Key
from fraud_scorer.artifact.plan import ModelPlan
from tests.support.plans import model_plan
from tests.support.scorers import Listening, StandIn

SIZES = (3, 30, 100)
ROUNDS = 30
GOAL_SECONDS = 1.0
RESULTS = Path(__file__).parents[1] / "results" / "fanout.md"
COMMAND = "python -m bench.fanout --save"
KEY = Key("bench", "cards")
TOKEN = "t" * 43
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Figures:
    """Seconds from the push until the last pod confirmed, one a round."""

    pods: int
    all_answer: Sequence[float]
    others: Sequence[float]
    """Until all but the silent one confirmed."""
    noticed: Sequence[float]
    """Until the silent one was known to be silent."""


def address(number: int) -> str:
    """Of a pod, on loopback."""
    return f"127.8.{number // 200}.{number % 200 + 1}"


def _serve(pods: int, ready: Connection) -> None:
    """In a process of its own: management ports, the last of which can be told to hang."""

    async def serving() -> None:
        listening = Listening(0)
        stand_ins = [StandIn(f"pod-{number}", token=TOKEN) for number in range(pods)]
        for number, stand_in in enumerate(stand_ins):
            await listening.listen(address(number), stand_in)
        ready.send(listening.port)
        loop = asyncio.get_running_loop()
        while (word := await loop.run_in_executor(None, ready.recv)) != "end":
            stand_ins[-1].hangs = word == "hang"
            ready.send("done")
        await listening.close()

    asyncio.run(serving())


@contextmanager
def pods_of(count: int) -> Iterator[tuple[int, Connection]]:
    """Their port, and the way to tell them something."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(count, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
        ours.send("end")
        process.join(10)
    finally:
        process.kill()


async def _round(port: int, pods: int, plan: ModelPlan, *, silent: bool) -> tuple[float, float]:
    """(until all that answer confirmed, until the silent one was noticed)"""
    news = asyncio.Event()
    fleet = Fleet(lambda _: news.set(), port=port)
    try:
        fleet.see(KEY, map(_pod, range(pods)))
        began = time.perf_counter()
        fleet.follow(KEY, plan, TOKEN)
        confirmed = noticed = 0.0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not confirmed or (silent and not noticed):
                await news.wait()
                news.clear()
                states = fleet.states(KEY)
                done = sum(one.report is not None for one in states)
                now = time.perf_counter() - began
                if not confirmed and done == pods - silent:
                    confirmed = now
                if any(one.unreached_seconds >= SILENT_SECONDS for one in states):
                    noticed = now
        return confirmed, noticed
    finally:
        await fleet.close()


def _pod(number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": f"pod-{number}", "uid": f"uid-{number}"},
        "status": {
            "podIP": address(number),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


async def measure(pods: int, rounds: int) -> Figures:
    """One size of fleet."""
    with pods_of(pods) as (port, tell):
        serials = iter(range(1, 10 * rounds))

        async def one(*, silent: bool) -> tuple[float, float]:
            return await _round(port, pods, model_plan(next(serials), "v1"), silent=silent)

        await one(silent=False)  # whatever is imported and compiled at the first use
        together = [(await one(silent=False))[0] for _ in range(rounds)]
        tell.send("hang")
        tell.recv()
        apart = [await one(silent=True) for _ in range(max(3, rounds // 6))]
    return Figures(pods, together, [first for first, _ in apart], [last for _, last in apart])


def goals(measured: Sequence[Figures]) -> Iterator[Goal]:
    """What the operator promises."""
    for one in measured:
        worst = max(one.all_answer)
        yield Goal(
            f"{one.pods} pods: all follow within {GOAL_SECONDS:g} s, in every round",
            f"{worst:.3f} s",
            worst < GOAL_SECONDS,
        )
        worst = max(one.others)
        yield Goal(
            f"{one.pods} pods, one of them silent: the others within {GOAL_SECONDS:g} s",
            f"{worst:.3f} s",
            worst < GOAL_SECONDS,
        )


def report(measured: Sequence[Figures], facts: dict[str, str]) -> str:
    """For people."""
    heads = ("pods", "all follow: median", "worst", "one silent: the others", "silence noticed")
    rows = [
        (
            str(one.pods),
            f"{statistics.median(one.all_answer) * 1000:.0f} ms",
            f"{max(one.all_answer) * 1000:.0f} ms",
            f"{max(one.others) * 1000:.0f} ms",
            f"{statistics.median(one.noticed) * 1000:.0f} ms",
        )
        for one in measured
    ]
    return "\n".join(
        [
            "# Fan-out of a model plan",
            "",
            f"`{COMMAND}`: {(__doc__ or '').strip()}",
            "",
            table([heads, *rows]),
            "",
            of_goals(goals(measured)),
            "",
            table([("machine", ""), *facts.items()]),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, report, and say whether the goals hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="a size of fleet")
    options = parser.parse_args(arguments)
    facts = machine.facts("operator", "scorer")
    measured = []
    for size in SIZES:
        print(f"-- {size} pods", file=sys.stderr)
        measured.append(asyncio.run(measure(size, options.rounds)))
    text = report(measured, facts)
    print(text)
    if options.save:
        RESULTS.write_text(text)
    reached = list(goals(measured))
    print(verdict(reached))
    return 0 if all(goal.holds for goal in reached) else 1
