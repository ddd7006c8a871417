"""What `status.effective` and `status.stores` say of stores."""

from __future__ import annotations

from typing import Any

from fraud_operator.plan.stores.pod import DEFAULT_CACHE_TTL
from fraud_operator.plan.stores.resolved import Stores
from fraud_operator.plan.stores.schema import Schema
from fraud_operator.plan.stores.state import capacity
from fraud_operator.plan.types import Inputs


def effective_stores(stores: Stores) -> dict[str, Any]:
    """The spec's sections about stores with their defaults; empty where it has none."""
    shown: dict[str, Any] = {}
    if (redis := stores.redis) is not None:
        shown["redis"] = {
            "image": redis.workload.image.name,
            "cpu": redis.size.store.resources["requests"]["cpu"],
            "memory": redis.size.store.memory,
            "maxmemory": redis.size.maxmemory,
        }
    if (postgres := stores.postgres) is not None:
        shown["postgres"] = {
            "image": postgres.workload.image.name,
            "major": postgres.size.major,
            "cpu": postgres.size.store.resources["requests"]["cpu"],
            "memory": postgres.size.store.memory,
            "storage": postgres.size.storage,
            "maxConnections": postgres.size.connections,
            "retention": "Retain" if postgres.workload.retained else "Delete",
        }
    spec = stores.detector.spec
    if spec.redis is not None:
        shown["features"] = {"cacheTTL": spec.features.cache_ttl or DEFAULT_CACHE_TTL}
    if (how := stores.recording) is not None:
        shown["audit"] = {
            "durability": how.durability,
            "whenFull": how.when_full,
            "spool": how.spool,
            "subject": how.subject,
        }
        if how.destination is not None:
            shown["audit"]["retention"] = f"{how.retention_days}d"
            shown["audit"]["hot"] = f"{how.hot_days}d"
    if (budget := stores.budget) is not None:
        shown["connections"] = {
            "allowed": budget.allowed,
            "used": budget.used,
            "pods": budget.pods,
            "perPod": budget.per_pod,
            "jobs": budget.jobs,
            "history": budget.pools.history,
            "lookups": budget.pools.lookups,
        }
    return shown


def effective_decisions(stores: Stores) -> dict[str, Any]:
    """What goes into `effective.scoring`."""
    scoring = stores.detector.spec.scoring
    shown: dict[str, Any] = {}
    if scoring.lists:
        shown["lists"] = True
    if (drawn := scoring.random_approvals) is not None:
        shown["randomApprovals"] = {
            "share": drawn.share,
            "maxAmountMinor": drawn.max_amount_minor,
        }
    return shown


def stores_status(stores: Stores, schema: Schema | None, inputs: Inputs) -> dict[str, Any]:
    """`status.stores`; empty where the operator runs none."""
    shown: dict[str, Any] = {}
    if (redis := stores.redis) is not None:
        endpoint = f"{redis.workload.host}:{redis.workload.port}"
        shown["redis"] = {"endpoint": endpoint, "ready": redis.state.ready}
    if (postgres := stores.postgres) is not None:
        endpoint = f"{postgres.workload.host}:{postgres.workload.port}"
        shown["postgres"] = {"endpoint": endpoint, "ready": postgres.state.ready}
        if has := capacity(postgres.workload, inputs):
            shown["postgres"]["capacity"] = has
    if schema is not None:
        shown["schema"] = {"state": schema.state, "job": schema.name}
    return shown
