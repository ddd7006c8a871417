"""What revisions did, as Prometheus sees it: by version and by the part that each plays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from fraud_scorer.artifact.report import SCORE_BINS
from fraud_scorer.counters import add
from fraud_scorer.tally import DECISIONS, ERRORS, INVALID, LATENCIES, SCORE_SUM, SCORES

_SHOWN_EDGES = (0.02, 0.04, *(i / 10 for i in range(1, 10)), 0.96, 0.98, 1.0)
"""Of the scores: finer where most transactions are, and most frauds."""

Tallies = Mapping[tuple[str, ...], list[float]]
"""Cells by version, revision and role."""


def shown(tallies: Tallies) -> Iterator[Metric]:
    """The same as Prometheus sees it."""
    decisions = CounterMetricFamily(
        "fraud_scorer_decisions",
        "Transactions decided, by version and the part that it plays; a shadow's are copies.",
        labels=["decision", "version", "role"],
    )
    failures = CounterMetricFamily(
        "fraud_scorer_model_failures",
        "Transactions that a version could not score: error, or invalid (no probability).",
        labels=["what", "version", "role"],
    )
    scores = HistogramMetricFamily(
        "fraud_scorer_score",
        "Scores given: probabilities of fraud.",
        labels=["version", "role"],
    )
    for (version, role), cells in sorted(_by_version(tallies).items()):
        for decision, value in zip(DECISIONS, cells, strict=False):
            decisions.add_metric([decision, version, role], value)
        for what, value in (("error", cells[ERRORS]), ("invalid", cells[INVALID])):
            failures.add_metric([what, version, role], value)
        below = list(accumulate(cells[SCORES:LATENCIES]))
        buckets = [(str(edge), below[round(edge * SCORE_BINS) - 1]) for edge in _SHOWN_EDGES]
        buckets.append(("+Inf", below[-1]))
        scores.add_metric([version, role], buckets, cells[SCORE_SUM])
    yield from (decisions, failures, scores)


def _by_version(tallies: Tallies) -> dict[tuple[str, str], list[float]]:
    """Revisions of one version, which differ in thresholds, are one in Prometheus."""
    sums: dict[tuple[str, str], list[float]] = {}
    for (version, _, role), cells in tallies.items():
        add(sums, (version, role), cells)
    return sums
