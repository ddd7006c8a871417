"""What is promised of records and features, and whether a run kept it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.goals import Goal
from bench.records.commands import Counted
from bench.records.loading import ROWS_A_RECORD
from bench.records.looking import Looked
from bench.records.serving import Compared
from bench.records.shipping import Shipped

_BY_CHANCE = 1.1
"""What goes along with another command, or by itself, depends on how they meet."""


@dataclass
class Results:
    """What a run measured; what it left out is missing."""

    approved: float | None = None
    declined: float | None = None
    """Microseconds of processor time a record."""
    shipped: Shipped | None = None
    looked: Looked | None = None
    compared: Compared | None = None
    counted: Sequence[Counted] = ()
    failures: dict[str, str] = field(default_factory=dict)
    """What could not be measured, and why."""


def goals(results: Results) -> Iterator[Goal]:
    """Every promise that this run can tell something about."""
    for what, why in results.failures.items():
        yield Goal(f"{what}: measured", why, False)
    if results.compared is not None:
        yield from _served(results.compared)
    if results.counted:
        counts = [sum(one.commands.values()) for one in results.counted]
        same = len({tuple(one.commands) for one in results.counted}) == 1
        yield Goal(
            "a request costs as many Redis commands whatever the history",
            " and ".join(f"{count:.2f}" for count in counts),
            same and max(counts) <= _BY_CHANCE * min(counts),
        )
    if results.approved is not None:
        yield Goal(
            "an approval's record costs the event loop under 5 µs",
            f"{results.approved:.2f} µs", results.approved < 5,
        )  # fmt: skip
    if results.shipped is not None:
        rows = results.shipped.sustained * ROWS_A_RECORD
        there = results.shipped.loaded * ROWS_A_RECORD
        yield Goal(
            f"at least 45,000 rows a second into tables of {there:,}",
            f"{rows:,.0f}",
            rows >= 45_000,
        )
    if results.looked is not None:
        for what, took in (
            ("one transaction", results.looked.transaction_p99),
            ("a user's history", results.looked.history_p99),
        ):
            yield Goal(f"{what} is found in under 10 ms (p99)", f"{took:.1f} ms", took < 10)


def _served(compared: Compared) -> Iterator[Goal]:
    share = compared.ratio(compared.whole, compared.engine)
    times = compared.ratio(compared.whole, compared.plain)
    yield Goal("the whole path at 40 % of the engine's rate or more", f"{share:.0%}", share >= 0.4)
    yield Goal("the whole path at 3 x the plain way or more", f"{times:.1f} x", times >= 3)
    yield Goal(
        "of its answers under 1 % had to do without something",
        f"{compared.whole.degraded:.2%}", compared.whole.degraded < 0.01,
    )  # fmt: skip
    if (half := compared.whole.half) is not None:
        p99 = half.p99 / 1000
        yield Goal("p99 at half of the top rate under 5 ms", f"{p99:.2f} ms", p99 < 5)
