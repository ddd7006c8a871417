"""The command: brings everything up, measures, writes the results, and says what holds."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import aiohttp

from bench import machine
from bench.fleet import bare, creation, report
from bench.fleet.bed import Bed, bed
from bench.fleet.goals import Results, goals
from bench.fleet.steady import Steady
from bench.goals import verdict
from fraud_operator.runtime.connection import connect
from tests.cluster.api import ClusterError
from tests.cluster.processes import ProcessError
from tests.cluster.progress import say, step
from tests.support.process import installed

SIZES, QUICK_SIZES = (100, 1000, 3000), (100, 300)
CONCURRENCIES, QUICK_CONCURRENCIES = (8, 16, 32, 64), (16, 32)
STEADY, QUICK_STEADY = 1000, 300
IDLE_SECONDS, QUICK_IDLE_SECONDS = 600.0, 60.0
CHANGES, LOSSES = 100, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every goal holds, 1 when one does not, 2 when something could not be measured.

    What was measured before that is written all the same.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given)
    command = " ".join(["python -m bench.fleet", *given])
    results, facts, whole = Results(), machine.facts("operator"), True
    try:
        with bed(keep=options.keep) as place:
            facts["Kubernetes"] = place.cluster.version
            asyncio.run(_measure(place, options, results))
    except (ClusterError, ProcessError, TimeoutError) as error:
        say(str(error))
        whole = False
        if not results.creations:
            return 2
    found = list(goals(results))
    written = report.write(results, found, facts, command, folder=options.output, name=options.name)
    print(report.markdown(results, found, facts, command))
    print("Written:", ", ".join(path.name for path in written))
    print(verdict(found))
    if not whole:
        return 2
    return 0 if all(goal.holds for goal in found) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 and 300 detectors, a minute idle")
    parser.add_argument("--sizes", type=_numbers, metavar="N,…", help="how many detectors")
    parser.add_argument(
        "--concurrencies",
        type=_numbers,
        metavar="N,…",
        help="the bare script's detectors at a time, of which the best is taken",
    )
    parser.add_argument(
        "--steady",
        type=int,
        metavar="N",
        help="the size that is then left idle, changed, damaged and restarted; 0: none",
    )
    parser.add_argument("--idle-seconds", type=float, metavar="S")
    parser.add_argument("--changes", type=int, default=CHANGES, metavar="N")
    parser.add_argument("--losses", type=int, default=LOSSES, metavar="N")
    parser.add_argument("--output", type=Path, default=report.FOLDER, metavar="FOLDER")
    parser.add_argument("--name", help="of the two files; default: fleet, or fleet-quick")
    parser.add_argument("--keep", action="store_true", help="leave the control plane running")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.sizes = options.sizes or (QUICK_SIZES if quick else SIZES)
    options.concurrencies = options.concurrencies or (
        QUICK_CONCURRENCIES if quick else CONCURRENCIES
    )
    if options.steady is None:
        options.steady = QUICK_STEADY if quick else STEADY
    if options.idle_seconds is None:
        options.idle_seconds = QUICK_IDLE_SECONDS if quick else IDLE_SECONDS
    options.name = options.name or ("fleet-quick" if quick else "fleet")
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


async def _measure(place: Bed, options: argparse.Namespace, results: Results) -> None:
    connection = await connect(str(place.cluster.kubeconfig), place.cluster.context)
    async with connection.session("bench") as session:
        for concurrency in options.concurrencies:
            with step(f"bare script, {min(options.sizes)}, {concurrency} at a time"):
                limit = await bare.measure(
                    place, session, connection.server,
                    count=min(options.sizes), concurrency=concurrency,
                )  # fmt: skip
            say(f"   {limit}")
            results.tried.append(limit)
        best = min(results.tried, key=lambda one: one.applied_seconds)
        for count in sorted(options.sizes):
            with step(f"bare script, {count}"):
                limit = results.limits[count] = await bare.measure(
                    place, session, connection.server, count=count, concurrency=best.concurrency
                )
            say(f"   {limit}")
            await _operator(place, session, connection.server, count, options, results)


async def _operator(
    place: Bed,
    session: aiohttp.ClientSession,
    server: str,
    count: int,
    options: argparse.Namespace,
    results: Results,
) -> None:
    folder = place.folder / f"operator-{count}"
    folder.mkdir()
    with place.namespace(f"operator-{count}") as namespace, ExitStack() as running:
        installation = installed(place.cluster, namespace, folder)
        operator = running.enter_context(installation.operator("operator", "--log-level=info"))
        operator.wait_to_lead()
        with step(f"operator, {count}"):
            made = results.creations[count] = await creation.measure(
                place, session, server, operator,
                user=installation.user, namespace=namespace, count=count,
            )  # fmt: skip
        say(f"   {made}")
        if count != options.steady:
            return
        results.steady_count = count
        steady = Steady(place, session, server, installation, count)
        with step(f"idle for {options.idle_seconds:.0f} s"):
            results.idle = await steady.idle(operator, options.idle_seconds)
        say(f"   {results.idle}")
        with step(f"{options.changes} changes"):
            results.changes = await steady.changes(options.changes)
        with step(f"{options.losses} lost children"):
            results.losses = await steady.losses(options.losses)
        operator.stop()
        with step("restart"):
            restarted, results.restart = await steady.restart()
            running.enter_context(restarted)
        say(f"   {results.restart}")
