"""What the conditions about stores say.

RedisReady     its pod takes connections; of one that somebody else runs: its Secret is there
PostgresReady  the same, and the volume and the connections are as the spec has them
SchemaReady    the schema of what is recorded is what the scorer's image needs

None of them is part of Ready once that was reached: no answer waits for a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.plan.conditions import Finding
from fraud_operator.plan.stores.records import POSTGRES_BYTES, hot_bytes
from fraud_operator.plan.stores.resolved import Stores
from fraud_operator.plan.stores.schema import RETRY_SECONDS, Schema
from fraud_operator.plan.stores.state import StoreState, growing
from fraud_operator.plan.types import Inputs

_REDIS, _POSTGRES = "spec.redis.external.secret", "spec.postgres.external.secret"
_FULL = 0.8
"""Of the volume: beyond, nothing is left for the log and for vacuuming."""

Was = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoreFindings:
    """Of one detector; None where it has no such store."""

    redis: Finding | None
    postgres: Finding | None
    schema: Finding | None

    @property
    def found(self) -> dict[str, Finding]:
        """By condition."""
        pairs = {
            "RedisReady": self.redis,
            "PostgresReady": self.postgres,
            "SchemaReady": self.schema,
        }
        return {type_: one for type_, one in pairs.items() if one is not None}

    @property
    def waiting(self) -> Finding | None:
        """The first that is not there yet."""
        for type_, one in self.found.items():
            if one.status != "True":
                return Finding("True", f"WaitingFor{type_.removesuffix('Ready')}", one.message)
        return None


def store_findings(
    stores: Stores, schema: Schema | None, inputs: Inputs, per_day: int, was: Was
) -> StoreFindings:
    """All of them."""
    return StoreFindings(
        redis=_redis(stores, inputs, was),
        postgres=_postgres(stores, inputs, per_day, was),
        schema=_schema(schema),
    )


def _redis(stores: Stores, inputs: Inputs, was: Was) -> Finding | None:
    if stores.detector.spec.redis is None:
        return None
    if stores.redis is None:
        return _external("Redis", inputs.observed.problems.get(_REDIS, ""))
    name = stores.redis.workload.name
    return _down("Redis", name, stores.redis.state, was.get("RedisReady")) or Finding(
        "True", "RedisAnswers", "Redis takes connections."
    )


def _postgres(stores: Stores, inputs: Inputs, per_day: int, was: Was) -> Finding | None:
    if stores.detector.spec.postgres is None:
        return None
    if stores.budget is not None and not stores.budget.holds:
        return Finding("False", "TooFewConnections", f"{stores.problem}.")
    if stores.postgres is None:
        return _external("Postgres", inputs.observed.problems.get(_POSTGRES, ""))
    managed = stores.postgres
    if managed.refused:
        return Finding("False", "ChangeRefused", f"{managed.refused}. What runs is left as it is.")
    for result in inputs.results:
        if result.kind == "PersistentVolumeClaim" and result.outcome == "Failed":
            return Finding("False", result.reason, f"{result.message}.")
    if down := _down("Postgres", managed.workload.name, managed.state, was.get("PostgresReady")):
        return down
    if how := growing(managed.workload, inputs):
        return Finding("True", "Growing", f"Postgres takes connections; {how}.")
    if small := _small(stores, per_day):
        return Finding("True", "StorageShort", f"Postgres takes connections, but {small}.")
    return Finding("True", "PostgresAnswers", "Postgres takes connections.")


def _schema(schema: Schema | None) -> Finding | None:
    if schema is None:
        return None
    match schema.state:
        case "UpToDate":
            return Finding("True", "SchemaUpToDate", "The schema is what the scorer needs.")
        case "Waiting":
            return Finding(
                "Unknown",
                "WaitingForPostgres",
                "It is brought up to date once Postgres takes connections; scorer pods are left as"
                " they are until then.",
            )
        case "Migrating":
            last = f" The last try: {schema.message}." if schema.message else ""
            return Finding(
                "Unknown",
                "Migrating",
                f"Job {schema.name} brings it up to date; scorer pods are left as they are until"
                f" then.{last}",
            )
        case "Failed":
            return Finding(
                "False",
                "MigrationFailed",
                f"Job {schema.name}: {schema.message}. It is made anew after"
                f" {RETRY_SECONDS / 60:g} minutes, or at once when you delete it; scorer pods are"
                " left as they are until then.",
            )


def _external(what: str, problem: str) -> Finding:
    if problem:
        return Finding("False", "SecretUnusable", f"{problem}.")
    return Finding("True", "External", f"{what} is not the operator's: pods know it by its Secret.")


def _down(what: str, name: str, state: StoreState, was: Mapping[str, Any] | None) -> Finding | None:
    if state.ready:
        return None
    answers = "Transactions are answered meanwhile, as far as they were before."
    if state.why:
        return Finding("False", f"{what}Stuck", f"{what} is not ready: {state.why}. {answers}")
    if was is not None and (was["status"] == "True" or was["reason"] == f"{what}Down"):
        return Finding("False", f"{what}Down", f"{what} takes no connections. {answers}")
    return Finding(
        "Unknown",
        f"{what}Starting",
        f"{what} is being started; kubectl describe statefulset {name} says more.",
    )


def _small(stores: Stores, per_day: int) -> str:
    how, managed = stores.recording, stores.postgres
    if how is None or managed is None or how.destination is None:
        return ""
    needed = hot_bytes(how, per_day)
    if needed <= managed.size.storage_bytes * _FULL:
        return ""
    wanted = quantities.canonical_memory(f"{-(-int(needed / _FULL) >> 30)}Gi")
    return (
        f"{how.hot_days} days of {per_day:,} transactions take {needed / 2**30:,.0f}Gi at"
        f" {POSTGRES_BYTES:,} bytes each, and its volume has {managed.size.storage}: set"
        f" spec.postgres.managed.storage to {wanted}, or have a shorter spec.audit.hot"
    )
