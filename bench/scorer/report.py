"""The tables of a run, for a terminal and for a reader of bench/results, and the same as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from bench.goals import Goal
from bench.scorer.goals import FOREST, Results
from bench.scorer.load import Load
from bench.scorer.material import Material
from bench.scorer.measure import Measured
from bench.table import Row, of_goals, table

FOLDER = Path(__file__).parents[1] / "results"


def markdown(
    results: Results,
    goals: Sequence[Goal],
    materials: Iterable[Material],
    facts: Mapping[str, str],
    command: str,
) -> str:
    """The whole report."""
    parts = [
        "# The scorer beside the servers that people use",
        f"Made by `{command}`; bench/README.md says what is measured, and what is not.",
        table([("machine", ""), *facts.items()]),
        table(_models(materials)),
    ]
    if results.engine is not None:
        parts += ["## Engines in one process, microseconds a row", table(_engines(results))]
        parts += [
            f"{one.engine} was not measured with {one.model}: {one.problem}."
            for one in results.engines
            if one.problem
        ]
        parts += [f"{line}." for line in _growth(results)]
    for model in results.servers:
        parts += [f"## Servers on one core: {model}", table(_rates(results, model))]
        parts += [table(_more_of_servers(results, model))]
        parts += [
            f"{one.title} was not measured: {one.problem}."
            for one in results.servers[model].values()
            if one.problem
        ]
    parts += [f"{line}." for line in _more(results)]
    parts += ["## Goals", of_goals(goals)]
    return "\n\n".join(parts) + "\n"


def write(
    results: Results,
    goals: Sequence[Goal],
    materials: Iterable[Material],
    facts: Mapping[str, str],
    command: str,
    *,
    name: str,
) -> list[Path]:
    """Write NAME.md and NAME.json; where they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text, data = FOLDER / f"{name}.md", FOLDER / f"{name}.json"
    materials = list(materials)
    text.write_text(markdown(results, goals, materials, facts, command))
    content = {
        "command": command,
        "machine": dict(facts),
        "models": {one.name: {"nodes": one.nodes} for one in materials},
        "results": msgspec.to_builtins(asdict(results), str_keys=True),
        "ratios": {model: dict(_ratios(results, model)) for model in results.servers},
        "goals": [asdict(goal) for goal in goals],
    }
    data.write_text(json.dumps(content, indent=1) + "\n")
    return [text, data]


def _models(materials: Iterable[Material]) -> Iterator[Row]:
    yield "model", "nodes", "model.joblib, MB", "model.fdm, MB"
    for one in materials:
        sizes = (f"{path.stat().st_size / 1e6:.2f}" for path in (one.trained, one.compiled))
        yield one.name, f"{one.nodes:,}", *sizes


def _engines(results: Results) -> Iterator[Row]:
    assert results.engine is not None
    yield "model", "engine", "one row", "ours is", "a row of 256", "ours is", "worst difference"
    for model, ours in results.engine.models.items():
        yield (
            model, "ours, from a dict", f"{ours.one_from_dict:.2f}", "",
            f"{ours.batch_row:.2f}", "", "",
        )  # fmt: skip
        yield (
            model, "scikit-learn", f"{ours.one_scikit_learn:,.0f}", f"{ours.times_one:,.0f} x",
            f"{ours.batch_row_scikit_learn:.2f}", f"{ours.times_batch:.1f} x", "",
        )  # fmt: skip
        for other in results.engines:
            if other.model != model:
                continue
            if other.problem:
                yield model, other.engine, "not measured", *[""] * 4
                continue
            yield (
                model, other.engine, f"{other.one:.2f}", f"{other.one / ours.one_from_dict:.1f} x",
                f"{other.batch_row:.2f}", f"{other.batch_row / ours.batch_row:.1f} x",
                f"{other.worst_difference:.0e}",
            )  # fmt: skip


def _growth(results: Results) -> Iterator[str]:
    assert results.engine is not None
    growth = results.engine.growth
    for what, points in (("trees", growth.trees), ("rows in a batch", growth.rows)):
        yield f"Ours by {what}: " + ", ".join(f"{n:,}: {took:.2f}" for n, took in points)


def _rates(results: Results, model: str) -> Iterator[Row]:
    yield (
        "server", "requests/s", "ours is", "CPU, us", "ours is", "connections", "its core",
        "generator's core", "worst difference",
    )  # fmt: skip
    for one in results.servers[model].values():
        if one.problem:
            yield one.title, "not measured", *[""] * 7
            continue
        ratios = _ratio(one, results.ours(model))
        yield (
            one.title, f"{one.rate:,.0f}", f"{ratios['rate']:,.2f} x", f"{one.cpu_us:,.1f}",
            f"{ratios['cpu']:,.2f} x", f"{one.connections}", f"{one.server_cpu:.0%}",
            f"{one.closed[one.connections].cpu:.0%}", f"{one.worst_difference:.0e}",
        )  # fmt: skip


def _more_of_servers(results: Results, model: str) -> Iterator[Row]:
    yield (
        "server", "at half: p50, ms", "p99, ms", "of ours", "memory, MB", "of ours", "ready, s",
        "of ours",
    )  # fmt: skip
    for one in results.servers[model].values():
        if one.problem or one.half is None:
            continue
        ratios = _ratio(one, results.ours(model))
        yield (
            one.title, f"{one.half.p50 / 1000:.2f}", f"{one.half.p99 / 1000:.2f}",
            f"{ratios['p99']:,.1f} x", f"{one.memory_mb:.1f}", f"{ratios['memory']:.2f} x",
            f"{one.start_seconds:.2f}", f"{ratios['start']:.2f} x",
        )  # fmt: skip


def _ratios(results: Results, model: str) -> Iterator[tuple[str, Any]]:
    for key, one in results.servers[model].items():
        if not one.problem:
            yield key, _ratio(one, results.ours(model))


def _ratio(one: Measured, ours: Measured) -> dict[str, float]:
    """How many times ours is better: faster, smaller, sooner."""
    assert one.half is not None
    assert ours.half is not None
    return {
        "rate": ours.rate / one.rate,
        "cpu": one.cpu_us / ours.cpu_us,
        "p99": one.half.p99 / ours.half.p99,
        "memory": one.memory_mb / ours.memory_mb,
        "start": one.start_seconds / ours.start_seconds,
    }


def _more(results: Results) -> Iterator[str]:
    if FOREST not in results.servers:
        return
    top = results.ours(FOREST).rate
    if (load := results.declined) is not None:
        yield f"Ours, all declined: {load.rate:,.0f} requests/s, {load.rate / top:.0%} of the top"
    if (load := results.overloaded) is not None:
        yield (
            f"Ours at twice the top rate: {load.goodput:,.0f} good answers/s,"
            f" {load.goodput / top:.0%} of the top; {_statuses(load)}; {load.dropped:,} found no"
            f" connection; p99 {load.p99 / 1000:.1f} ms"
        )
    if (load := results.loopback) is not None:
        yield (
            f"The loopback and the generator, two bytes answered unread: {load.rate:,.0f}"
            f" requests/s, {load.rate / top:.1f} x ours"
        )


def _statuses(load: Load) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in load.status.items())
