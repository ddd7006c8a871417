"""What the service counts. One registry a process; the management port shows it.

Labels have few values by construction: routes are those of the router, decisions are three.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from fraud_scorer.registry.loaded import LoadedModel

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series

LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.25, 0.5, 1),
)
"""Seconds."""

_SCORE_BUCKETS = tuple(round(0.05 * i, 2) for i in range(1, 21))


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "fraud_scorer_requests",
            "Requests answered on the API port.",
            ("route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "fraud_scorer_request_duration_seconds",
            "From the request's headers to its answer.",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "fraud_scorer_requests_in_flight",
            "Requests under way on the API port.",
            registry=self.registry,
        )
        self.shed = Counter(
            "fraud_scorer_shed",
            "Requests turned away because too many were waiting, or waited past their deadline.",
            registry=self.registry,
        )
        self._items = Counter(
            "fraud_scorer_batch_items",
            "Transactions answered in batches, by the status that each would have had alone.",
            ("status",),
            registry=self.registry,
        )
        self._decisions = Counter(
            "fraud_scorer_decisions",
            "Transactions scored, by what was decided.",
            ("decision", "version"),
            registry=self.registry,
        )
        self._scores = Histogram(
            "fraud_scorer_score",
            "Scores given: probabilities of fraud.",
            ("version",),
            buckets=_SCORE_BUCKETS,
            registry=self.registry,
        )
        self._degraded = Counter(
            "fraud_scorer_degraded",
            "Answers given without something, by what was missing.",
            ("what",),
            registry=self.registry,
        )
        self._model = Gauge(
            "fraud_scorer_model_info",
            "The model that answers; always 1.",
            ("model", "version", "digest", "revision"),
            registry=self.registry,
        )
        self.ready = Gauge(
            "fraud_scorer_ready",
            "1 while this process takes requests.",
            registry=self.registry,
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request on the API port got its answer."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def item_answered(self, status: int) -> None:
        """A transaction of a batch got its answer."""
        self._items.labels(str(status)).inc()

    def decided(self, version: str, decision: str, score: float, degraded: list[str]) -> None:
        """A transaction was scored."""
        self._decisions.labels(decision, version).inc()
        self._scores.labels(version).observe(score)
        for what in degraded:
            self._degraded.labels(what).inc()

    def serving(self, loaded: LoadedModel) -> None:
        """That model answers from now on."""
        self._model.clear()
        self._model.labels(loaded.name, loaded.version, loaded.digest, loaded.revision).set(1)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
