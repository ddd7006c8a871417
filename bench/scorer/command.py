"""The command: prepares everything, measures, writes the results, and says what holds."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, models
from bench.goals import verdict
from bench.scorer import in_process, native, report
from bench.scorer.goals import FOREST, LINEAR, Results, goals
from bench.scorer.load import Cores, Generator, LoadError
from bench.scorer.material import Material, material
from bench.scorer.measure import Bench, Spans
from bench.scorer.running import ServerError
from bench.scorer.servers import PEERS, QUICK_PEERS, Server
from tests.cluster.progress import say, step

FULL, QUICK = Spans(1.0, 3.0, 4), Spans(0.5, 1.0, 1)
_ENGINE_SECONDS, _QUICK_ENGINE_SECONDS = 2.0, 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every goal holds, 1 when one does not, 2 when nothing could be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given)
    command = " ".join(["python -m bench.scorer", *given])
    facts = {**machine.facts("scorer"), "instruction sets": machine.instruction_sets()}
    if (cores := _cores()) is None:
        say("One core to serve and one to load it are needed; this machine gives only one.")
        return 2
    _allow_connections()
    with TemporaryDirectory(prefix="bench-scorer-") as folder:
        name = "scorer-quick" if options.quick or options.only else "scorer"

        def keep(results: Results, materials: Sequence[Material], name: str) -> list[Path]:
            found = list(goals(results))
            return report.write(results, found, materials, facts, command, name=name)

        so_far: list[Path] = []
        try:
            for results, materials in _measure(Path(folder), cores, options):
                so_far = keep(results, materials, f"{name}-so-far")
        except native.CompilerError as error:
            say(f"bench.scorer: {error}")
            return 2
        written = keep(results, materials, name)
        for path in so_far:
            path.unlink()
        found = list(goals(results))
        print(report.markdown(results, found, materials, facts, command))
    print("Written:", ", ".join(path.name for path in written))
    print(verdict(found))
    return 0 if all(goal.holds for goal in found) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scorer", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes, two models, two peers"
    )
    parser.add_argument(
        "--only",
        choices=["none", *(peer.key for peer in PEERS)],
        action="append",
        metavar="PEER",
        help="this peer, beside ours (may be repeated; none: ours alone): "
        + ", ".join(peer.key for peer in PEERS),
    )
    parser.add_argument("--skip-engine", action="store_true", help="servers only")
    return parser.parse_args(arguments)


def _cores() -> Cores | None:
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], generator=allowed[-1]) if len(allowed) > 1 else None


def _allow_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _peers(options: argparse.Namespace) -> list[Server]:
    wanted = options.only or (QUICK_PEERS if options.quick else [peer.key for peer in PEERS])
    return [peer for peer in PEERS if peer.key in wanted]


def _measure(
    folder: Path, cores: Cores, options: argparse.Namespace
) -> Iterator[tuple[Results, list[Material]]]:
    """All that was measured so far, again and again: a run that is cut short has that."""
    spans = QUICK if options.quick else FULL
    bench = Bench(Generator(native.generator(folder), cores), folder, spans)
    native.yardstick(folder)
    results = Results()
    materials = list(_materials(folder, quick=options.quick))
    converted = {} if options.skip_engine else _converted(materials)
    os.sched_setaffinity(0, {cores.generator})  # from here on the other core only serves
    if not options.skip_engine:
        _engines(results, materials, converted, folder, cores, options)
    yield results, materials
    for one in materials:
        for _ in _servers(results, bench, one, _peers(options)):
            yield results, materials


def _converted(materials: Sequence[Material]) -> dict[tuple[str, str], str]:
    """The models as other engines want them, while all cores may be used; by engine and model why
    there is none."""
    with step("converting the models for other engines"):
        return {
            (engine, one.name): in_process.convert(engine, one)
            for one in materials
            for engine in in_process.ENGINES
        }


def _materials(folder: Path, *, quick: bool) -> Iterator[Material]:
    with step("simulating transactions, training and publishing"):
        data = models.data()
        for number, (name, estimator) in enumerate(models.estimators().items()):
            if not quick or name in (FOREST, LINEAR):
                yield material(name, estimator, data, folder / f"model-{number}")


def _engines(
    results: Results,
    materials: Sequence[Material],
    converted: Mapping[tuple[str, str], str],
    folder: Path,
    cores: Cores,
    options: argparse.Namespace,
) -> None:
    with _noted(results, "the engine beside scikit-learn, in one process"):
        results.engine = in_process.ours(materials, folder, cores.server)
    seconds = _QUICK_ENGINE_SECONDS if options.quick else _ENGINE_SECONDS
    for one in materials:
        for engine in in_process.ENGINES:
            with step(f"{one.name}: {engine} in one process"):
                if problem := converted[engine, one.name]:
                    found = in_process.Other(engine, one.name, problem=problem)
                else:
                    found = in_process.other(engine, one, cores.server, seconds)
            say(f"   {found.problem or f'{found.one:.2f} us a row'}")
            results.engines.append(found)


def _servers(
    results: Results, bench: Bench, one: Material, peers: Sequence[Server]
) -> Iterator[None]:
    """A step at a time."""
    with _noted(results, f"{one.name}: ours and the C server in turns"):
        both = bench.ours(one)
        results.servers[one.name] = {found.server: found for found in both}
        say(f"   {both[0].rate:,.0f} and {both[1].rate:,.0f} a second")
    if one.name not in results.servers:
        return  # there is nothing to hold the peers against
    if one.name == FOREST:
        with _noted(results, f"{one.name}: everything declined"):
            results.declined = bench.declined(one)
        with _noted(results, f"{one.name}: at twice the top rate"):
            results.overloaded = bench.overloaded(one, 2 * results.ours(one.name).rate)
        with _noted(results, "the loopback's own limit"):
            results.loopback = bench.loopback(one)
    yield
    for peer in peers:
        with step(f"{one.name}: {peer.title}"):
            found = results.servers[one.name][peer.key] = bench.peer(peer, one)
        say(f"   {found.problem or f'{found.rate:,.1f} a second'}")
        yield


@contextmanager
def _noted(results: Results, what: str) -> Iterator[None]:
    """A step whose failure is a result, not the end of a long run."""
    try:
        with step(what):
            yield
    except (ServerError, LoadError, in_process.EngineError) as error:
        say(f"   {error}")
        results.failures[what] = str(error)
