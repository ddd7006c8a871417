"""The command: measures both, prints tables, and says which goals hold."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.goals import Goal, verdict
from bench.records import appending, shipping
from bench.records.shipping import Shipped
from bench.table import of_goals, table
from tests.cluster.progress import say, step

ANSWERS, QUICK_ANSWERS = 3_400_000, 200_000
ROUNDS, QUICK_ROUNDS = 25, 9


@dataclass(frozen=True)
class Results:
    """Microseconds a record, and what shipping gave."""

    approved: float
    declined: float
    shipped: Shipped


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every goal holds, 1 when one does not, 2 when nothing could be measured."""
    options = _options(arguments)
    answers = options.answers or (QUICK_ANSWERS if options.quick else ANSWERS)
    try:
        results = _measure(answers, QUICK_ROUNDS if options.quick else ROUNDS)
    except AssertionError as error:
        say(str(error))
        return 2
    found = list(goals(results))
    print(table([("machine", ""), *machine.facts("scorer").items()]), end="\n\n")
    print(table(_rows(results)), end="\n\n")
    print(of_goals(found))
    print(verdict(found))
    return 0 if all(goal.holds for goal in found) else 1


def goals(results: Results) -> Iterator[Goal]:
    """What was promised."""
    shipped = results.shipped
    yield Goal(
        "an approval's record costs the event loop under 5 µs",
        f"{results.approved:.2f} µs", results.approved < 5,
    )  # fmt: skip
    yield Goal(
        "at least 45,000 rows a second into partitioned, indexed tables",
        f"{shipped.sustained:,.0f}", shipped.sustained >= 45_000,
    )  # fmt: skip
    for what, took in (
        ("one transaction", shipped.transaction_p99), ("a user's history", shipped.history_p99),
    ):  # fmt: skip
        yield Goal(f"{what} is found in under 10 ms (p99)", f"{took:.1f} ms", took < 10)


def _measure(answers: int, rounds: int) -> Results:
    # Not in /tmp where that is memory: a spool is on a disk.
    with tempfile.TemporaryDirectory(prefix="fraudops-bench-", dir=machine.ROOT) as name:
        folder = Path(name)
        with step("appending"):
            approved = appending.measure(folder / "approved", explained=False, rounds=rounds)
            declined = appending.measure(folder / "declined", explained=True, rounds=rounds)
        with shipping.postgres() as database:
            return Results(approved, declined, shipping.measure(database, folder, answers))


def _rows(results: Results) -> Iterator[tuple[str, str]]:
    shipped = results.shipped
    yield "records", ""
    yield f"append, {appending.FEATURES} features, approved (CPU)", f"{results.approved:.2f} µs"
    yield "the same, declined with four reasons (CPU)", f"{results.declined:.2f} µs"
    yield "rows shipped", f"{shipped.rows:,}"
    yield (
        "burst, best and worst round",
        (f"{max(shipped.bursts):,.0f} and {min(shipped.bursts):,.0f} rows/s"),
    )
    yield "sustained", f"{shipped.sustained:,.0f} rows/s"
    yield "CPU an answer (three rows), shipper", f"{shipped.processor:.1f} µs"
    yield "CPU an answer (three rows), Postgres", f"{shipped.backend:.1f} µs"
    yield "one transaction, p99", f"{shipped.transaction_p99:.2f} ms"
    yield "a user's history, p99", f"{shipped.history_p99:.2f} ms"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ANSWERS:,} answers only")
    parser.add_argument("--answers", type=int, metavar="N", help=f"default: {ANSWERS:,}")
    return parser.parse_args(sys.argv[1:] if arguments is None else arguments)
