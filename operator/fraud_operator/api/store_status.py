"""What a status says of the stores of a detector: Redis, Postgres, and how answers are recorded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.audit import Durability, WhenFull
from fraud_operator.api.fields import Fields
from fraud_operator.api.postgres import Retention

Text = Annotated[str, StringConstraints(max_length=1024)]
Number = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
SchemaState = Literal["Waiting", "Migrating", "Failed", "UpToDate"]


class EffectiveRedis(Fields):
    """`spec.redis.managed` with its defaults."""

    image: Text = Field(description="Image of Redis.")
    cpu: Text = Field(description="What its pod is guaranteed.")
    memory: Text = Field(description="What its pod cannot exceed.")
    maxmemory: Number = Field(description="Bytes of it for data; beyond, the oldest goes.")


class EffectivePostgres(Fields):
    """`spec.postgres.managed` with its defaults."""

    image: Text = Field(description="Image of Postgres.")
    major: Text = Field(description="Major version of the data.")
    cpu: Text = Field(description="What its pod is guaranteed.")
    memory: Text = Field(description="What its pod cannot exceed.")
    storage: Text = Field(description="Size of its volume.")
    max_connections: Number = Field(description="Connections that it takes.")
    retention: Retention = Field(description="What becomes of volume and passwords.")


class EffectiveFeatures(Fields):
    """`spec.features` with its defaults."""

    cache_ttl: Text = Field(alias="cacheTTL", description="How long an entity stays in Redis.")


class EffectiveAudit(Fields):
    """`spec.audit` with its defaults."""

    hot: Text | None = Field(
        None, description="How long records stay in Postgres; not there: they are not dropped."
    )
    retention: Text | None = Field(
        None, description="How long sealed records are kept; not there: there is no destination."
    )
    durability: Durability = Field(description="When an answer is sent.")
    when_full: WhenFull = Field(description="What happens when a pod's spool is full.")
    spool: Text = Field(description="Room for records that wait in a pod.")
    subject: Text = Field(description="Kind of entity that is a person.")


class EffectiveConnections(Fields):
    """The budget of connections to Postgres."""

    allowed: Number = Field(description="Connections that there are for this detector.")
    used: Number = Field(description="The most that it opens: all pods, one more, and Jobs.")
    pods: Number = Field(description="Pods that there can be, during a roll-out.")
    per_pod: Number = Field(description="The most that one pod opens.")
    jobs: Number = Field(description="Of Jobs that may run beside.")
    history: Number = Field(
        description="Of each serving process, to read histories that Redis does not have."
    )
    lookups: Number = Field(description="Of each serving process, for labels, look-ups and lists.")


class EffectiveApprovals(Fields):
    """`spec.scoring.randomApprovals`."""

    share: Text = Field(description="Share of would-be declines that are approved.")
    max_amount_minor: Number = Field(description="Never above this amount.")


class StoreStatus(Fields):
    """A store that the operator runs."""

    endpoint: Text = Field(description="Where it is, inside the cluster.")
    ready: bool = Field(description="Whether its pod takes connections.")
    capacity: Text | None = Field(None, description="Size of its volume, as it is.")


class SchemaStatus(Fields):
    """The schema of what is recorded."""

    state: SchemaState = Field(
        description="Waiting: for Postgres. UpToDate: it is what the scorer's image needs."
    )
    job: Text = Field(description="The Job that brings it up to date.")


class StoresStatus(Fields):
    """The stores as they are."""

    redis: StoreStatus | None = Field(None, description="The Redis that the operator runs.")
    postgres: StoreStatus | None = Field(None, description="The Postgres that the operator runs.")
    schema_: SchemaStatus | None = Field(
        None, alias="schema", description="The schema of what is recorded."
    )
