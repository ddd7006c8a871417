"""How a revision does: what it decided, its scores, how long it took, what it failed at.

A process counts each revision in each of its parts (active, candidate, ...) in one series of shared
memory. All that is told of revisions comes from there: the metrics of Prometheus, and the counts in
a pod's report, by which a candidate is held against the active one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from fraud_scorer.artifact.report import LATENCY_EDGES, SCORE_BINS, Counts
from fraud_scorer.counters import Slot, add

SERIES = "revision"

DECISIONS = ("approve", "review", "decline")
ERRORS, INVALID, SCORE_SUM, SCORES = 3, 4, 5, 6
LATENCIES = SCORES + SCORE_BINS
CELLS = LATENCIES + len(LATENCY_EDGES) + 1
_SCORE_EDGES = tuple(i / SCORE_BINS for i in range(1, SCORE_BINS))


class Tally:
    """One revision in one part, in one process."""

    __slots__ = ("_by_decision", "_cells", "_first", "_latencies", "_scores", "_sum")

    def __init__(self, slot: Slot, version: str, revision: str, role: str) -> None:
        self._first = first = slot.take(SERIES, (version, revision, role), size=CELLS)
        self._cells = slot.cells
        self._by_decision = {decision: first + i for i, decision in enumerate(DECISIONS)}
        self._sum = first + SCORE_SUM
        self._scores = first + SCORES
        self._latencies = first + LATENCIES

    def decided(self, decision: str, score: float, seconds: float) -> None:
        """It scored a transaction, and that was decided; `seconds`: of scoring and deciding."""
        cells = self._cells
        cells[self._by_decision[decision]] += 1
        cells[self._scores + bisect_left(_SCORE_EDGES, score)] += 1
        cells[self._sum] += score
        cells[self._latencies + bisect_left(LATENCY_EDGES, seconds)] += 1

    def decided_unseen(self, decision: str) -> None:
        """That was decided without any score."""
        self._cells[self._by_decision[decision]] += 1

    def failed(self, *, invalid: bool) -> None:
        """It could not score a transaction; `invalid`: what it gave was no probability."""
        self._cells[self._first + (INVALID if invalid else ERRORS)] += 1


def counts(slots: Iterable[Slot]) -> dict[str, Counts]:
    """What was ever counted in all processes and parts, by revision."""
    sums: dict[str, list[float]] = {}
    for slot in slots:
        for series in slot.series():
            if series.family == SERIES:
                _, revision, _ = series.labels
                add(sums, revision, slot.counted(series))
    return {revision: _counts(cells) for revision, cells in sums.items()}


def since(now: Counts, before: Counts | None) -> Counts:
    """What was counted between two moments."""
    if before is None:
        return now
    return Counts(
        requests=now.requests - before.requests,
        errors=now.errors - before.errors,
        invalid=now.invalid - before.invalid,
        approve=now.approve - before.approve,
        review=now.review - before.review,
        decline=now.decline - before.decline,
        scores=tuple(a - b for a, b in zip(now.scores, before.scores, strict=True)),
        latencies=tuple(a - b for a, b in zip(now.latencies, before.latencies, strict=True)),
    )


def _counts(cells: list[float]) -> Counts:
    whole = [int(one) for one in cells]
    approve, review, decline, errors, invalid = whole[:SCORE_SUM]
    return Counts(
        requests=approve + review + decline + errors + invalid,
        errors=errors,
        invalid=invalid,
        approve=approve,
        review=review,
        decline=decline,
        scores=tuple(whole[SCORES:LATENCIES]),
        latencies=tuple(whole[LATENCIES:]),
    )
