"""The tables of a run: for a terminal, for a reader of bench/results, and as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.fleet.bare import Limit
from bench.fleet.creation import Creation
from bench.fleet.goals import ORIENTATION, Results
from bench.goals import Goal
from bench.table import Row, of_goals, table

FOLDER = Path(__file__).parents[1] / "results"


def markdown(
    results: Results, goals: Sequence[Goal], facts: Mapping[str, str], command: str
) -> str:
    """The whole report."""
    parts = [
        "# The operator at scale",
        f"Made by `{command}`; bench/README.md says what the figures mean.",
        table([("machine", ""), *facts.items()]),
        "## From nothing to Ready, one pod a detector",
        table(_creations(results)),
    ]
    if results.steady_count:
        parts += [f"## With {results.steady_count} detectors Ready", table(_steady(results))]
    parts += [
        "## Others, for orientation",
        "Measured on such a machine (2 cores, everything on it, default QPS), not by this run.",
        table(_orientation(results)),
        "## Goals",
        of_goals(goals),
    ]
    return "\n\n".join(parts) + "\n"


def write(
    results: Results,
    goals: Sequence[Goal],
    facts: Mapping[str, str],
    command: str,
    *,
    folder: Path,
    name: str,
) -> list[Path]:
    """Write NAME.md and NAME.json; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    text, data = folder / f"{name}.md", folder / f"{name}.json"
    text.write_text(markdown(results, goals, facts, command))
    content = {
        "command": command,
        "machine": dict(facts),
        "results": asdict(results),
        "goals": [asdict(goal) for goal in goals],
    }
    data.write_text(json.dumps(content, indent=1) + "\n")
    return [text, data]


def _creations(results: Results) -> Iterable[Row]:
    counts = sorted(results.creations)
    yield ("", *(f"{count:,}" for count in counts))
    creations = [results.creations[count] for count in counts]
    limits = [results.limits[count] for count in counts]
    pairs = list(zip(creations, limits, strict=True))
    yield _row("all children applied, s", (f"{one.applied_seconds:.1f}" for one in creations))
    yield _row("… bare script, s", (f"{one.applied_seconds:.1f}" for one in limits))
    yield _row(
        "… operator's rate / script's",
        (f"{limit.applied_seconds / one.applied_seconds:.2f}" for one, limit in pairs),
    )
    yield _row("children a second", (f"{one.applied_per_second:.0f}" for one in creations))
    yield _row("… bare script", (f"{one.applied_per_second:.0f}" for one in limits))
    yield _row("all Ready, s", (f"{one.ready_seconds:.1f}" for one in creations))
    yield _row("… bare script (Deployments available), s", map(_ready, limits))
    yield _row(
        "… operator's time / script's",
        (f"{one.ready_seconds / limit.ready_seconds:.2f}" for one, limit in pairs),
    )
    yield _row("Ready a second", (f"{one.ready_per_second:.1f}" for one in creations))
    yield _row("… bare script, the limit", (f"{one.ready_per_second:.1f}" for one in limits))
    yield _row("detectors created after, s", (f"{one.created_seconds:.1f}" for one in creations))
    yield _row("children", (f"{one.children:,}" for one in creations))
    yield _row("reconciles a second", (f"{one.reconciles_per_second:.0f}" for one in creations))
    yield _row(
        "reconciles a detector", (f"{one.reconciles / one.detectors:.1f}" for one in creations)
    )
    yield _row("requests a detector", (f"{one.requests_a_detector:.2f}" for one in creations))
    yield _row(
        "… an object created (a detector, a child)",
        (f"{one.requests_an_object:.2f}" for one in creations),
    )
    yield _row("writes a detector", (f"{one.writes_a_detector:.2f}" for one in creations))
    for what in _verbs(creations):
        shares = (f"{one.requests.get(what, 0) / one.detectors:.2f}" for one in creations)
        yield _row(f"… {what}", shares)
    yield _row("operator's CPU, s", (f"{one.cpu_seconds:.1f}" for one in creations))
    yield _row(
        "… a detector, ms", (f"{1000 * one.cpu_seconds / one.detectors:.1f}" for one in creations)
    )
    yield _row(
        "… of everything else, a detector, ms",
        (f"{1000 * one.cluster_cpu_seconds / one.detectors:.1f}" for one in creations),
    )
    yield _row(
        "… of everything else, with the bare script, ms",
        (f"{1000 * one.cluster_cpu_seconds / one.detectors:.1f}" for one in limits),
    )
    yield _row("operator's peak memory, MB", (f"{one.peak_megabytes:.0f}" for one in creations))
    yield _row("bare script: detectors at a time", (str(one.concurrency) for one in limits))


def _ready(limit: Limit) -> str:
    return f"{limit.ready_seconds:.1f}"


def _row(name: str, cells: Iterable[str]) -> Row:
    return (name, *cells)


def _verbs(creations: Iterable[Creation]) -> list[str]:
    """What was asked at least once for every hundred detectors, the most frequent first."""
    shares: dict[str, float] = {}
    for one in creations:
        for what, count in one.requests.items():
            shares[what] = max(shares.get(what, 0), count / one.detectors)
    return [what for what in sorted(shares, key=lambda one: -shares[one]) if shares[what] >= 0.01]


def _steady(results: Results) -> Iterable[Row]:
    yield ("", "")
    if (idle := results.idle) is not None:
        yield (f"idle for {idle.seconds:.0f} s: writes but the Lease", _counts(idle.other_writes))
        yield ("… writes of the Lease", str(idle.lease_writes))
        yield ("… reads", _counts(idle.reads))
        yield ("… share of a core", f"{idle.cpu_share:.2%}")
        yield ("… memory, MB", f"{idle.resident_megabytes:.0f}")
    for what, found in (
        ("change reaches its Deployment", results.changes),
        ("deleted child back", results.losses),
    ):
        if found is not None:
            yield (
                f"{what} ({len(found.tries)} tries): median, p99, slowest, s",
                f"{found.median:.3f}, {found.p99:.3f}, {found.slowest:.3f}",
            )
    if (restart := results.restart) is not None:
        yield ("restart: ready after, s", f"{restart.ready_seconds:.1f}")
        yield ("… writes but the Lease", _counts(restart.writes))
        yield ("… CPU, s", f"{restart.cpu_seconds:.1f}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "0"


def _orientation(results: Results) -> Iterable[Row]:
    rows = next(iter(ORIENTATION.values())).keys()
    yield ("", "this run", *ORIENTATION)
    for row in rows:
        yield (row, _ours(results, row), *(other[row] for other in ORIENTATION.values()))


def _ours(results: Results, row: str) -> str:
    if not results.creations:
        return "not measured"
    at = 1000 if 1000 in results.creations else max(results.creations)
    creation = results.creations[at]
    if row == "ready":
        return (
            f"{at:,} in {creation.ready_seconds:.0f} s ({creation.ready_per_second:.0f} a second;"
            f" bare script: {results.limits[at].ready_per_second:.0f})"
        )
    if row == "requests a custom resource":
        return (
            f"{creation.requests_a_detector:.1f} a detector,"
            f" {creation.requests_an_object:.2f} an object created"
        )
    if row == "memory":
        return f"{creation.peak_megabytes:.0f} MB at {at:,}"
    if row == "writes on restart" and results.restart is not None:
        return str(sum(results.restart.writes.values()))
    if row == "deleted child back" and results.losses is not None:
        return f"{results.losses.median:.3f} s"
    return "not measured"
