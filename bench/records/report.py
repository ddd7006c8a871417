"""The tables of a run, for a terminal and for a reader of bench/results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.goals import Goal
from bench.records import material
from bench.records.commands import Counted
from bench.records.goals import Results
from bench.records.loading import ROWS_A_RECORD
from bench.records.looking import Looked
from bench.records.serving import Compared, Served
from bench.records.shipping import Shipped
from bench.table import Row, of_goals, table

FOLDER = Path(__file__).parents[1] / "results"


def markdown(
    results: Results, goals: Sequence[Goal], facts: Mapping[str, str], command: str
) -> str:
    """The whole report."""
    parts = [
        "# Features and records: what they cost an answer, and how fast records are kept",
        f"Made by `{command}`; bench/README.md says what is measured, and what is not.",
        table([("machine", ""), *facts.items()]),
    ]
    if results.compared is not None:
        parts += [
            "## The whole path on one core",
            table(_served(results.compared)),
            table(_spent(results.compared)),
            f"Into Postgres while shipping: {results.compared.shipped:,.0f} records a second.",
        ]
    if results.counted:
        parts += ["## Redis commands a request", table(_counted(results.counted))]
    kept = [("records", ""), *_recorded(results)]
    if results.shipped is not None:
        kept += _shipped(results.shipped)
    if results.looked is not None:
        kept += _looked(results.looked)
    if len(kept) > 1:
        parts += ["## Records", table(kept)]
    parts += ["## Goals", of_goals(goals)]
    return "\n\n".join(parts) + "\n"


def write(text: str, *, name: str) -> Path:
    """Keep it; where it is."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.md"
    path.write_text(text)
    return path


def _served(compared: Compared) -> Iterator[Row]:
    yield (
        "server", "requests/s, best round", "of the engine's", "of the plain way's",
        "at half: p50, ms", "p99, ms", "answers that did without something",
    )  # fmt: skip
    for one in _all(compared):
        half, counted = one.half, one.answers > 0
        yield (
            one.title, f"{one.rate:,.0f}", f"{compared.ratio(one, compared.engine):.0%}",
            f"{compared.ratio(one, compared.plain):.2f} x",
            f"{half.p50 / 1000:.2f}" if half else "", f"{half.p99 / 1000:.2f}" if half else "",
            f"{one.degraded:.2%}" if counted else "",
        )  # fmt: skip


def _spent(compared: Compared) -> Iterator[Row]:
    yield "CPU a request, µs", "server", "generator", "Redis", "Postgres", "shipper", "other core"
    for one in _all(compared):
        beside = (
            one.spent.generator, one.spent.redis, one.spent.postgres, one.spent.shipper
        )  # fmt: skip
        busy = one.rate * sum(beside) / 1e6
        yield (
            one.title, f"{one.spent.server:.1f}", *(f"{spent:.1f}" for spent in beside),
            f"{busy:.0%} busy",
        )  # fmt: skip


def _all(compared: Compared) -> tuple[Served, ...]:
    return compared.engine, compared.whole, compared.sustained, compared.plain


def _counted(counted: Sequence[Counted]) -> Iterator[Row]:
    names = sorted({name for one in counted for name in one.commands})
    yield "transactions in the history", *names
    for one in counted:
        yield f"{one.history:,}", *(f"{one.commands.get(name, 0):g}" for name in names)


def _recorded(results: Results) -> Iterator[tuple[str, str]]:
    if results.approved is not None and results.declined is not None:
        what = f"append, {material.FEATURES} features"
        yield f"{what}, approved (CPU)", f"{results.approved:.2f} µs"
        yield f"{what}, declined with four reasons (CPU)", f"{results.declined:.2f} µs"


def _shipped(shipped: Shipped) -> Iterator[tuple[str, str]]:
    def rates(records: float) -> str:
        return f"{records:,.0f} records/s, {records * ROWS_A_RECORD:,.0f} rows/s"

    there = shipped.loaded
    yield "in Postgres before", f"{there:,} records, {there * ROWS_A_RECORD:,} rows"
    yield "burst, into the spool", f"{shipped.appended:,.0f} records/s"
    yield "shipped on top", f"{shipped.records:,} records"
    yield "sustained", rates(shipped.sustained)
    yield "best round of 100,000", rates(max(shipped.rounds))
    yield "worst round", rates(min(shipped.rounds))
    yield "CPU a record (three rows), shipper", f"{shipped.processor:.1f} µs"
    yield "CPU a record (three rows), Postgres", f"{shipped.backend:.1f} µs"
    yield "the database in the end", f"{shipped.gigabytes:.1f} GB"


def _looked(looked: Looked) -> Iterator[tuple[str, str]]:
    yield (
        "one transaction, p50 and p99",
        f"{looked.transaction_p50:.2f} and {looked.transaction_p99:.2f} ms",
    )
    yield (
        f"a user's history ({looked.shown:.0f} transactions), p50 and p99",
        f"{looked.history_p50:.2f} and {looked.history_p99:.2f} ms",
    )
