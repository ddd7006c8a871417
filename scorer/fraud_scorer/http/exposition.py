"""What all processes counted, added up, in Prometheus' text format.

A prometheus-client collector over shared memory. Beside it, of each serving process its CPU time,
memory and restarts, which no process can tell about itself once it is dead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from fraud_scorer.counters import Slot, add
from fraud_scorer.http import tallies
from fraud_scorer.metrics import FAMILIES, Family
from fraud_scorer.tally import SERIES

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

Values = dict[tuple[str, ...], list[float]]
"""The cells of a family's series, by label values."""


class Serving(Protocol):
    """A serving process, as far as metrics tell of it."""

    @property
    def process_id(self) -> int | None: ...

    @property
    def restarts(self) -> int: ...


class Exposition(Collector):
    """The metrics of a service."""

    def __init__(
        self,
        slots: Sequence[Slot],
        ready: Callable[[], bool],
        processes: Sequence[Serving] = (),
        more: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        """`more`: families of somebody else's."""
        self._more = more
        self._slots = slots
        self._ready = ready
        self._processes = processes
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """The families, as prometheus-client asks for them."""
        counted = _added(self._slots)
        for family in FAMILIES:
            yield _shown(family, counted.get(family.name, {}))
        yield from tallies.shown(counted.get(SERIES, {}))
        yield GaugeMetricFamily(
            "fraud_scorer_ready",
            "1 while this service takes requests.",
            value=float(self._ready()),
        )
        yield from self._of_processes()
        yield from self._more()

    def _of_processes(self) -> Iterator[Metric]:
        cpu = CounterMetricFamily(
            "fraud_scorer_process_cpu_seconds",
            "CPU time of each serving process.",
            labels=["process"],
        )
        memory = GaugeMetricFamily(
            "fraud_scorer_process_resident_memory_bytes",
            "Memory of each serving process.",
            labels=["process"],
        )
        restarts = CounterMetricFamily(
            "fraud_scorer_process_restarts",
            "How often a serving process died and was replaced.",
            labels=["process"],
        )
        for index, process in enumerate(self._processes):
            restarts.add_metric([str(index)], process.restarts)
            if process.process_id is None:
                continue
            try:
                stat = Path(f"/proc/{process.process_id}/stat").read_text()
            except OSError:  # it died a moment ago, or this system has no /proc
                continue
            fields = stat.rpartition(")")[2].split()
            cpu.add_metric([str(index)], (int(fields[11]) + int(fields[12])) / _TICKS)
            memory.add_metric([str(index)], float(int(fields[21]) * _PAGE))
        yield from (cpu, memory, restarts)


def _added(slots: Iterable[Slot]) -> dict[str, Values]:
    """The sums over all slots, by family."""
    sums: dict[str, Values] = {}
    for slot in slots:
        for series in slot.series():
            add(sums.setdefault(series.family, {}), series.labels, slot.counted(series))
    return sums


def _shown(family: Family, values: Values) -> Metric:
    labels = list(family.labels)
    if family.kind == "counter":
        counter = CounterMetricFamily(family.name, family.help, labels=labels)
        for names, (value,) in sorted(values.items()):
            counter.add_metric(names, value)
        return counter
    if family.kind == "gauge":
        gauge = GaugeMetricFamily(family.name, family.help, labels=labels)
        for names, (value,) in sorted(values.items()):
            if labels:  # what is true now: how many processes say so does not matter
                if value:
                    gauge.add_metric(names, 1)
            else:
                gauge.add_metric(names, value)
        return gauge
    histogram = HistogramMetricFamily(family.name, family.help, labels=labels)
    edges = [*(str(edge) for edge in family.buckets), "+Inf"]
    for names, cells in sorted(values.items()):
        counts = accumulate(cells[:-1])
        histogram.add_metric(names, list(zip(edges, counts, strict=True)), cells[-1])
    return histogram
