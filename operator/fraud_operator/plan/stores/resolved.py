"""The stores of one detector, resolved once: what everything about them is planned from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.stores import postgres as of_postgres
from fraud_operator.plan.stores import redis as of_redis
from fraud_operator.plan.stores.postgres import Growth, PostgresSize
from fraud_operator.plan.stores.records import Recording, recording, records, spool_problem
from fraud_operator.plan.stores.redis import RedisSize
from fraud_operator.plan.stores.state import StoreState, store_state
from fraud_operator.plan.stores.workload import Workload
from fraud_operator.plan.types import Desired, Inputs
from fraud_scorer.artifact.connections import Budget, Pools, budget

EXTERNAL_CONNECTIONS = 97


@dataclass(frozen=True, slots=True)
class ManagedRedisStore:
    """A Redis that the operator runs."""

    size: RedisSize
    workload: Workload
    state: StoreState


@dataclass(frozen=True, slots=True)
class ManagedPostgresStore:
    """A Postgres that the operator runs."""

    size: PostgresSize
    workload: Workload
    state: StoreState
    refused: str
    """Why the spec cannot be carried out upon the data there is."""
    growth: Growth | None


@dataclass(frozen=True, slots=True)
class Stores:
    """All None where a detector has none."""

    detector: FraudDetector
    redis: ManagedRedisStore | None
    postgres: ManagedPostgresStore | None
    recording: Recording | None
    budget: Budget | None
    """Of connections; None without Postgres."""
    problem: str
    """What in the spec cannot be carried out as it is; empty where nothing is."""

    @property
    def any(self) -> bool:
        """Whether scorer pods have to do with any of it."""
        spec = self.detector.spec
        return spec.redis is not None or spec.postgres is not None or self.recording is not None


def stores(inputs: Inputs, sizes: Effective) -> Stores:
    """Resolve `spec.redis`, `spec.postgres` and `spec.audit`."""
    detector, children = inputs.detector, inputs.observed.children
    redis = detector.spec.redis.managed if detector.spec.redis is not None else None
    postgres = detector.spec.postgres.managed if detector.spec.postgres is not None else None
    how = recording(detector)
    made_redis = None
    if redis is not None:
        redis_size = of_redis.redis_size(redis)
        workload = of_redis.redis_workload(detector, redis, redis_size, inputs.defaults, children)
        state = store_state(workload, inputs.observed.redis, inputs)
        made_redis = ManagedRedisStore(redis_size, workload, state)
    made_postgres = None
    if postgres is not None:
        size = of_postgres.postgres_size(detector, postgres, children)
        workload = of_postgres.postgres_workload(
            detector, postgres, size, inputs.defaults, children
        )
        made_postgres = ManagedPostgresStore(
            size,
            workload,
            store_state(workload, inputs.observed.postgres, inputs),
            of_postgres.refused(detector, postgres, children),
            of_postgres.growth(detector, postgres, children),
        )
    connections = _budget(detector, sizes, how, made_postgres)
    return Stores(
        detector=detector,
        redis=made_redis,
        postgres=made_postgres,
        recording=how,
        budget=connections,
        problem=_problem(sizes, how, made_postgres, connections),
    )


def store_objects(found: Stores, inputs: Inputs) -> Iterator[Desired]:
    """Everything but what migrates: Secrets, configuration, Services, StatefulSets."""
    children = inputs.observed.children
    if found.redis is not None:
        yield from of_redis.redis(found.redis.workload, children)
    if found.postgres is not None:
        yield from of_postgres.postgres(
            found.postgres.workload, children, hold=bool(found.postgres.refused)
        )
    yield from records(found.detector, found.recording)


def _budget(
    detector: FraudDetector,
    sizes: Effective,
    how: Recording | None,
    managed: ManagedPostgresStore | None,
) -> Budget | None:
    spec = detector.spec
    if spec.postgres is None:
        return None
    if managed is not None:
        allowed = managed.size.connections - of_postgres.KEPT_CONNECTIONS
    else:
        external = spec.postgres.external
        allowed = (external and external.max_connections) or EXTERNAL_CONNECTIONS
    scaling = sizes.autoscaling
    most = scaling.max_replicas if scaling is not None else sizes.replicas or 0
    return budget(
        allowed=allowed,
        replicas=most,
        processes=sizes.processes,
        jobs=2,  # migration and retention
        records=how is not None,
        # Histories are read where Redis is to hold them.
        wanted=Pools() if spec.redis is not None else Pools(history=0),
    )


def _problem(
    sizes: Effective,
    how: Recording | None,
    managed: ManagedPostgresStore | None,
    connections: Budget | None,
) -> str:
    if managed is not None and managed.refused:
        return managed.refused
    if how is not None and (small := spool_problem(how, sizes.processes)):
        return small
    if connections is not None and not connections.holds:
        return _too_few(connections, managed=managed is not None)
    return ""


def _too_few(connections: Budget, *, managed: bool) -> str:
    kept = of_postgres.KEPT_CONNECTIONS if managed else 0
    kind = "managed" if managed else "external"
    return (
        f"{connections.replicas} scorer pods, one more during a roll-out, and Jobs need"
        f" {connections.used} connections to Postgres, {connections.per_pod} a pod, and it has"
        f" {connections.allowed} for them: set spec.postgres.{kind}.maxConnections to"
        f" {connections.used + kept} or more, have fewer pods, or a pooler in front of Postgres"
    )
