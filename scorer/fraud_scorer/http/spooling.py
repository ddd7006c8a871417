"""Records on their way, as Prometheus sees them: what the spool holds, and whether it empties."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fraud_scorer.http.shipping import Shipping
from fraud_scorer.ledger.segment import CLOSED
from fraud_scorer.ledger.spool import Spool


def shown(shipping: Shipping) -> Iterator[Metric]:
    """The families."""
    spool = shipping.spool
    yield GaugeMetricFamily(
        "fraud_scorer_spool_bytes", "Bytes that the spool holds.", value=float(spool.usage())
    )
    yield GaugeMetricFamily(
        "fraud_scorer_spool_limit_bytes", "Bytes that it may hold.", value=float(spool.limit)
    )
    yield GaugeMetricFamily(
        "fraud_scorer_shipping_lag_seconds",
        "For how long the oldest complete segment has been in the spool; 0 where there is none.",
        value=_age_of_the_oldest(spool),
    )
    yield CounterMetricFamily(
        "fraud_scorer_shipping_restarts",
        "How often the process that ships records died and was replaced.",
        value=float(shipping.restarts),
    )


def _age_of_the_oldest(spool: Spool) -> float:
    oldest = now = time.time()
    for path in spool.folder.glob(f"*/*{CLOSED}"):
        with suppress(FileNotFoundError):  # it has just been shipped
            oldest = min(oldest, path.stat().st_mtime)
    return now - oldest
