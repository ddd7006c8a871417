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
from fraud_scorer.registry.registry import Roles
from fraud_scorer.tally import Tally

LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.25, 0.5, 1.0),
)
"""Seconds."""


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
DEGRADED = Family(
    "fraud_scorer_degraded",
    "counter",
    "Answers given without something, by what was missing.",
    ("what",),
)
SHADOW_DROPPED = Family(
    "fraud_scorer_shadow_dropped",
    "counter",
    "Transactions that a shadow did not score because the process had no time for it.",
)
RECORDS = Family(
    "fraud_scorer_records", "counter", "Answers, shadows' included, that were recorded."
)
MISSED = Family(
    "fraud_scorer_records_missed",
    "counter",
    "Answers that were given, or found by a shadow, and could not be recorded.",
)
LISTS = Family(
    "fraud_scorer_lists_looks",
    "counter",
    "Looks for what is new on the allow and deny lists. As long as they fail, the last copy holds.",
    ("outcome",),
)
MODEL = Family(
    "fraud_scorer_model_info",
    "gauge",
    "The models that are held, by the part that each of them plays; always 1.",
    ("model", "version", "digest", "revision", "role"),
)

FAMILIES = (
    *(REQUESTS, LATENCY, IN_FLIGHT, SHED, ITEMS, DEGRADED, SHADOW_DROPPED),
    *(RECORDS, MISSED, LISTS, MODEL),
)
"""What is shown as it is counted; the rest is in `tally`."""


class Metrics:
    """The counters of one process. Used from one thread only."""

    def __init__(self, slot: Slot | None = None) -> None:
        """`slot`: where to count; without one, in memory of its own."""
        slot = slot or SharedCounters(1).slots[0]
        self._slot = slot
        self._cells = slot.cells
        self._in_flight = IN_FLIGHT.cells(slot)
        self._shed = SHED.cells(slot)
        self._recorded = RECORDS.cells(slot)
        self._missed = MISSED.cells(slot)
        self._models: list[int] = []
        self._first: dict[tuple[Family, tuple[str, ...]], int] = {}
        self._requests: dict[tuple[str, int], tuple[int, int, int]] = {}
        """By route and status: the count, the first of the latencies, and their sum."""

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
            requests, latency, total = self._requests[route, status]
        except KeyError:
            latency = LATENCY.cells(self._slot, route)
            requests, latency, total = self._requests[route, status] = (
                REQUESTS.cells(self._slot, route, str(status)),
                latency,
                latency + len(LATENCY_BUCKETS) + 1,
            )
        cells = self._cells
        cells[requests] += 1
        cells[latency + bisect_left(LATENCY_BUCKETS, seconds)] += 1
        cells[total] += seconds

    def item_answered(self, status: int) -> None:
        """A transaction of a batch got its answer."""
        self._count(ITEMS, str(status))

    def tally(self, version: str, revision: str, role: str) -> Tally:
        """Where to count what a revision does in that part."""
        return Tally(self._slot, version, revision, role)

    def degraded(self, what: Iterable[str]) -> None:
        """An answer was given without these."""
        for one in what:
            self._count(DEGRADED, one)

    def shadow_dropped(self) -> None:
        """A shadow did not get to score a transaction."""
        self._count(SHADOW_DROPPED)

    def recorded(self) -> None:
        """An answer is in the records."""
        self._cells[self._recorded] += 1

    def missed(self) -> None:
        """An answer could not be recorded."""
        self._cells[self._missed] += 1

    def looked_at_lists(self, succeeded: bool) -> None:
        """It was looked for what is new on the lists."""
        self._count(LISTS, "succeeded" if succeeded else "failed")

    def serving(self, roles: Roles) -> None:
        """These are held from now on, in these parts."""
        for cell in self._models:
            self._cells[cell] = 0
        self._models = [
            MODEL.cells(self._slot, one.name, one.version, one.digest, one.revision, role)
            for role, one in roles.named().items()
        ]
        for cell in self._models:
            self._cells[cell] = 1

    def _count(self, family: Family, *labels: str) -> None:
        """Add one to what is counted rarely."""
        first = self._first.get((family, labels))
        if first is None:
            first = self._first[family, labels] = family.cells(self._slot, *labels)
        self._cells[first] += 1
