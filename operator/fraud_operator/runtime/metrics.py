"""What the operator counts, for Prometheus: `fraud_operator_*`, and `process_*` of the process."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

RECONCILES = Counter(
    "fraud_operator_reconciles",
    "Reconciliations, by how they ended: done, failed, conflict.",
    ["result"],
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "fraud_operator_reconcile_seconds",
    "How long one reconciliation took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
    registry=REGISTRY,
)
QUEUE_WAITING = Gauge(
    "fraud_operator_queue_waiting", "Keys that wait, due or not.", registry=REGISTRY
)
QUEUE_ACTIVE = Gauge(
    "fraud_operator_queue_active", "Keys that are being worked on.", registry=REGISTRY
)
API_REQUESTS = Counter(
    "fraud_operator_api_requests",
    "Requests to the API server, retries included; code 0 means no answer.",
    ["verb", "kind", "code"],
    registry=REGISTRY,
)
WATCH_EVENTS = Counter(
    "fraud_operator_watch_events", "Events delivered by watches.", ["kind"], registry=REGISTRY
)
LISTS = Counter(
    "fraud_operator_lists",
    "Complete lists, by whether they differed from what the watches had told.",
    ["kind", "result"],
    registry=REGISTRY,
)
REVERTS = Counter(
    "fraud_operator_reverts",
    "Changes by other managers to fields that the operator owns, put back.",
    ["kind"],
    registry=REGISTRY,
)
LEADER = Gauge("fraud_operator_leader", "1 while this process holds the Lease.", registry=REGISTRY)
DETECTORS = Gauge("fraud_operator_detectors", "FraudDetectors in view.", registry=REGISTRY)
STORE_POLLS = Counter(
    "fraud_operator_store_polls",
    "Looks at model stores, by result (ok or the reason of the failure).",
    ["result"],
    registry=REGISTRY,
)
FLEET_REQUESTS = Counter(
    "fraud_operator_fleet_requests",
    "Requests to scorer pods' management ports: PUT a plan or GET a report, and how they ended.",
    ["verb", "result"],
    registry=REGISTRY,
)


def exposition() -> bytes:
    """All of the above in Prometheus' text format."""
    return generate_latest(REGISTRY)
