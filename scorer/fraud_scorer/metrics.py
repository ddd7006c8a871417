"""What the service counts, and how a process counts it: by adding to cells of shared memory.

A request costs a handful of additions, a few hundred nanoseconds. `http/exposition.py` adds up the
processes and shows the sums. Labels have few values by construction: routes are those of the
router, decisions are three.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fraud_scorer.counters import SharedCounters, Slot
from fraud_scorer.registry.loaded import LoadedModel

LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.25, 0.5, 1.0),
)
"""Seconds."""

_SCORE_BUCKETS = tuple(round(0.05 * i, 2) for i in range(1, 21))


@dataclass(frozen=True)
class Family:
    """One metric. A histogram's cells are its buckets, the one without an edge, and the sum."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def cells(self, slot: Slot, *labels: str) -> int:
        """The first of its cells in that slot."""
        size = len(self.buckets) + 2 if self.kind == "histogram" else 1
        return slot.take(self.name, labels, size=size, gauge=self.kind == "gauge")


REQUESTS = Family(
    "fraud_scorer_requests",
    "counter",
    "Requests answered on the API port.",
    ("route", "status"),
)
LATENCY = Family(
    "fraud_scorer_request_duration_seconds",
    "histogram",
    "From the request's headers to its answer.",
    ("route",),
    LATENCY_BUCKETS,
)
IN_FLIGHT = Family(
    "fraud_scorer_requests_in_flight", "gauge", "Requests under way on the API port."
)
SHED = Family(
    "fraud_scorer_shed",
    "counter",
    "Requests turned away because the process was too far behind, or that waited past their"
    " deadline.",
)
ITEMS = Family(
    "fraud_scorer_batch_items",
    "counter",
    "Transactions answered in batches, by the status that each would have had alone.",
    ("status",),
)
DECISIONS = Family(
    "fraud_scorer_decisions",
    "counter",
    "Transactions scored, by what was decided.",
    ("decision", "version"),
)
SCORES = Family(
    "fraud_scorer_score",
    "histogram",
    "Scores given: probabilities of fraud.",
    ("version",),
    _SCORE_BUCKETS,
)
DEGRADED = Family(
    "fraud_scorer_degraded",
    "counter",
    "Answers given without something, by what was missing.",
    ("what",),
)
MODEL = Family(
    "fraud_scorer_model_info",
    "gauge",
    "The model that answers; always 1.",
    ("model", "version", "digest", "revision"),
)

FAMILIES = (REQUESTS, LATENCY, IN_FLIGHT, SHED, ITEMS, DECISIONS, SCORES, DEGRADED, MODEL)


class Metrics:
    """The counters of one process. Used from one thread only."""

    def __init__(self, slot: Slot | None = None) -> None:
        """`slot`: where to count; without one, in memory of its own."""
        slot = slot or SharedCounters(1).slots[0]
        self._slot = slot
        self._cells = slot.cells
        self._in_flight = IN_FLIGHT.cells(slot)
        self._shed = SHED.cells(slot)
        self._model: int | None = None
        self._first: dict[tuple[Family, tuple[str, ...]], int] = {}
        self._requests: dict[tuple[str, int], tuple[int, int]] = {}
        self._scored: dict[tuple[str, str], tuple[int, int]] = {}

    def began(self) -> None:
        """A request on the API port is under way."""
        self._cells[self._in_flight] += 1

    def ended(self) -> None:
        """It is no longer."""
        self._cells[self._in_flight] -= 1

    def turned_away(self) -> None:
        """A request was refused because there are too many."""
        self._cells[self._shed] += 1

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request on the API port got its answer."""
        try:
            requests, latency = self._requests[route, status]
        except KeyError:
            requests, latency = self._requests[route, status] = (
                REQUESTS.cells(self._slot, route, str(status)),
                LATENCY.cells(self._slot, route),
            )
        cells = self._cells
        cells[requests] += 1
        cells[latency + bisect_left(LATENCY_BUCKETS, seconds)] += 1
        cells[latency + len(LATENCY_BUCKETS) + 1] += seconds

    def item_answered(self, status: int) -> None:
        """A transaction of a batch got its answer."""
        self._count(ITEMS, str(status))

    def decided(self, version: str, decision: str, score: float, degraded: Iterable[str]) -> None:
        """A transaction was scored."""
        try:
            decisions, scores = self._scored[version, decision]
        except KeyError:
            decisions, scores = self._scored[version, decision] = (
                DECISIONS.cells(self._slot, decision, version),
                SCORES.cells(self._slot, version),
            )
        cells = self._cells
        cells[decisions] += 1
        cells[scores + bisect_left(_SCORE_BUCKETS, score)] += 1
        cells[scores + len(_SCORE_BUCKETS) + 1] += score
        for what in degraded:
            self._count(DEGRADED, what)

    def serving(self, loaded: LoadedModel) -> None:
        """That model answers from now on."""
        if self._model is not None:
            self._cells[self._model] = 0
        self._model = MODEL.cells(
            self._slot, loaded.name, loaded.version, loaded.digest, loaded.revision
        )
        self._cells[self._model] = 1

    def _count(self, family: Family, *labels: str) -> None:
        """Add one to what is counted rarely."""
        first = self._first.get((family, labels))
        if first is None:
            first = self._first[family, labels] = family.cells(self._slot, *labels)
        self._cells[first] += 1
