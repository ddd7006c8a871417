"""The command: prepares the stores, measures, writes the results, and says which goals hold."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import machine
from bench.goals import verdict
from bench.records import appending, commands, looking, report, servers, serving, shipping, stores
from bench.records.goals import Results, goals
from bench.records.serving import Spans
from bench.records.stores import Stores
from bench.scorer import native
from bench.scorer.environments import NotInstallableError
from bench.scorer.load import Cores, Generator, LoadError
from bench.scorer.running import ServerError
from tests.cluster.progress import say, step

PARTS = ("append", "serve", "ship")
LOADED, QUICK_LOADED = 10_000_000, 200_000
SHIPPED, QUICK_SHIPPED = 1_000_000, 100_000
ROUNDS, QUICK_ROUNDS = 11, 3
SPANS, QUICK_SPANS = Spans(1.0, 4.0, 3), Spans(0.5, 1.5, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every goal holds, 1 when one does not, 2 when nothing could be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given)
    facts = machine.facts("scorer")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        say("One core to serve and one for everything else are needed; this machine has only one.")
        return 2
    try:
        results = _measure(options, Cores(server=cores[0], generator=cores[-1]))
    except (AssertionError, native.CompilerError) as error:
        say(f"bench.records: {error}")
        return 2
    found = list(goals(results))
    text = report.markdown(results, found, facts, " ".join(["python -m bench.records", *given]))
    whole = not (options.quick or options.only or options.records)
    print(text)
    print("Written:", report.write(text, name="records" if whole else "records-quick").name)
    print(verdict(found))
    return 0 if all(goal.holds for goal in found) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help=f"{QUICK_LOADED:,} records only, and short phases")
    add("--only", action="append", choices=PARTS, metavar="PART",
        help=f"this part (may be repeated): {', '.join(PARTS)}")  # fmt: skip
    add("--records", type=int, metavar="N",
        help=f"how many are in Postgres before (default: {LOADED:,})")  # fmt: skip
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, cores: Cores) -> Results:
    results, parts = Results(), options.only or PARTS
    # Not in /tmp where that is memory: a spool is on a disk.
    with tempfile.TemporaryDirectory(prefix="fraudops-bench-", dir=machine.ROOT) as name:
        folder = Path(name)
        if "append" in parts:
            with step("recording at a busy server's pace"):
                rounds = QUICK_ROUNDS if options.quick else ROUNDS
                for what in ("approved", "declined"):
                    took = appending.measure(
                        folder / what, explained=what == "declined", rounds=rounds
                    )
                    setattr(results, what, took)
        if "serve" in parts or "ship" in parts:
            loaded = options.records or (QUICK_LOADED if options.quick else LOADED)
            with stores.running(folder, loaded) as both:
                if "ship" in parts:
                    _ship(results, both, folder, loaded, options)
                if "serve" in parts:
                    os.sched_setaffinity(0, {cores.generator})
                    both.stay_on(cores.generator)
                    _serve(results, both, folder, cores, options)
    return results


def _ship(
    results: Results, both: Stores, folder: Path, loaded: int, options: argparse.Namespace
) -> None:
    count = QUICK_SHIPPED if options.quick else SHIPPED
    results.shipped = shipping.measure(both.database, folder, loaded, count)
    with step("looking up"):
        results.looked = looking.measure(both.database, loaded + count)


def _serve(
    results: Results, both: Stores, folder: Path, cores: Cores, options: argparse.Namespace
) -> None:
    with step("simulating transactions, training and publishing"):
        given = servers.contest(folder / "model")
    generator = Generator(native.generator(folder), cores)
    with _noted(results, "the whole path, the engine alone and the plain way"):
        spans = QUICK_SPANS if options.quick else SPANS
        results.compared = serving.measure(generator, given, both, folder, spans)
    with _noted(results, "Redis commands a request"):
        results.counted = commands.measure(given, both, folder / "commands", cores.server)


@contextmanager
def _noted(results: Results, what: str) -> Iterator[None]:
    """A step whose failure is a result, not the end of a long run."""
    try:
        with step(what):
            yield
    except (ServerError, LoadError, NotInstallableError) as error:
        say(f"   {error}")
        results.failures[what] = str(error)
