"""What became of those who asked and of what was acknowledged, and whether that is as promised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.chaos.faults import Played
from bench.chaos.ground import Kept
from bench.goals import Goal
from bench.table import Row


@dataclass(frozen=True)
class Outcome:
    """Of one fault."""

    name: str
    played: Played
    kept: Kept
    seconds: float

    def problems(self) -> Iterator[str]:
        """What is not as promised."""
        heard, kept = self.played.heard, self.kept
        yield from self.played.wrong
        if heard.failed:
            yield f"{heard.failed} requests got a 5xx: {dict(heard.statuses)}"
        if heard.unanswered:
            yield f"{len(heard.unanswered)} requests were never answered"
        if not heard.acknowledged:
            yield "nothing was acknowledged"
        if kept.missing > kept.missed:
            yield f"{kept.missing - kept.missed} acknowledged answers are not in Postgres"
        if kept.duplicated:
            yield f"{kept.duplicated} are there more than once, and nothing says why"
        if kept.missed and "degrade" not in self.name:
            yield f"{kept.missed} answers were given without a record"


HEAD: Row = (
    "fault", "requests", "5xx", "refused", "broken, sent again", "p99, ms", "acknowledged", "found",
    "duplicated", "missing", "missed, and said so", "sent again, and marked", "degraded",
)  # fmt: skip


def row(one: Outcome) -> Row:
    """For the table."""
    heard, kept = one.played.heard, one.kept
    return (
        one.name, f"{heard.asked:,}", str(heard.failed), f"{one.played.refused:,}",
        str(heard.broken), f"{heard.p99_ms:.0f}", f"{kept.acknowledged:,}", f"{kept.found:,}",
        str(kept.duplicated), str(max(kept.missing - kept.missed, 0)), f"{kept.missed:,}",
        str(kept.linked), ", ".join(sorted(heard.degraded)),
    )  # fmt: skip


def goals(outcomes: Iterable[Outcome], tampered: str, left_out: Iterable[str]) -> Iterator[Goal]:
    """Nothing acknowledged is lost, no 5xx, and the chains are whole."""
    for one in outcomes:
        problems = "; ".join(one.problems())
        yield Goal(one.name, problems or "nothing lost, no 5xx", not problems)
    for name in left_out:
        yield Goal(name, "not played: mounting a file system needs root", False)
    yield Goal("`audit verify` finds nothing", tampered or "nothing", not tampered)
