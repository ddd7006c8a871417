"""`spec.redis` and `spec.features`: where the histories of entities are kept at hand."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule, exactly_one
from fraud_operator.api.names import IMAGE, ObjectName
from fraud_operator.api.quantities import Duration
from fraud_operator.api.resources import StoreResources, within_limits

_VERSION = r"^[1-9][0-9]?\.[0-9]{1,2}(\.[0-9]{1,3})?$"


class RedisResources(StoreResources):
    """CPU and memory of the Redis pod."""

    rules: ClassVar[tuple[Rule, ...]] = within_limits("spec.redis.managed.resources")


class ManagedRedis(Fields):
    """A Redis that the operator runs for this detector alone. It is a cache: nothing of it is on a
    disk, and what it loses is read from Postgres again."""

    version: Annotated[str, StringConstraints(pattern=_VERSION, max_length=16)] | None = Field(
        None,
        description=(
            "Version of Redis, at least 7.0, such as 7.2: the tag of the official image. Not set:"
            " 7.2."
        ),
    )
    image: Annotated[str, StringConstraints(pattern=IMAGE, max_length=512)] | None = Field(
        None,
        description=(
            "Another image of Redis, that has redis-server and redis-cli. Not set: the official"
            " one, or what the operator was given instead."
        ),
    )
    resources: RedisResources = Field(
        RedisResources(),
        description=(
            "CPU and memory of the pod. Not set: 100m, and 512Mi. Three quarters of the memory are"
            " for data; what was not used longest goes when they are full."
        ),
    )


class ExternalRedis(Fields):
    """A Redis that somebody else runs."""

    secret: ObjectName = Field(
        description=(
            "Name of a Secret in this namespace with the key uri (redis:// or rediss://), or with"
            " host and, where needed, port, username, password, tls (true) and ca.crt. It is read"
            " anew at each connection, so a rotation restarts nothing."
        )
    )


class Redis(Fields):
    """Where the histories of entities are kept at hand. While it is away, transactions are scored
    with histories from Postgres, or with the population's values, and say so."""

    managed: ManagedRedis | None = Field(
        None, description="A Redis that the operator runs; {} takes all defaults."
    )
    external: ExternalRedis | None = Field(None, description="A Redis that somebody else runs.")

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("spec.redis", "managed", "external"),)


class Features(Fields):
    """How features that are kept of entities are looked after."""

    cache_ttl: Duration | None = Field(
        None,
        alias="cacheTTL",
        description=(
            "For how long an entity that is not seen stays in Redis, such as 1h; after that its"
            " history is read from Postgres when it is needed. Not set: 1h."
        ),
    )
