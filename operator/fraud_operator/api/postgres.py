"""`spec.postgres`: where transactions, predictions, labels and audit records are kept.

Rules on `oldSelf` are about a change, so only the API server holds a spec to them; what is in the
cluster is looked at once more before it is changed (`plan.stores.postgres`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule, exactly_one
from fraud_operator.api.names import IMAGE, ObjectName
from fraud_operator.api.quantities import Storage, cel_storage
from fraud_operator.api.resources import StoreResources, within_limits

Retention = Literal["Retain", "Delete"]
Connections = Annotated[int, Field(ge=20, le=10_000)]

_VERSION = r"^(1[4-9]|[2-9][0-9])(\.[0-9]{1,2})?$"


class PostgresResources(StoreResources):
    """CPU and memory of the Postgres pod."""

    rules: ClassVar[tuple[Rule, ...]] = within_limits("spec.postgres.managed.resources")


class ManagedPostgres(Fields):
    """A Postgres that the operator runs for this detector alone."""

    storage: Storage = Field(
        description=(
            "Size of its volume, such as 100Gi or 2Ti. It can grow, where the storage class can;"
            " it cannot shrink."
        )
    )
    storage_class: ObjectName | None = Field(
        None,
        description=(
            "Storage class of its volume, which cannot be changed later. Not set: the cluster's"
            " default."
        ),
    )
    version: Annotated[str, StringConstraints(pattern=_VERSION, max_length=8)] | None = Field(
        None,
        description=(
            "Version of Postgres, at least 14, such as 17 or 17.6: the tag of the official image."
            " Its major part cannot be changed for a database that is there: restore a backup"
            " into a new detector. Not set: 17, or what the data is of."
        ),
    )
    image: Annotated[str, StringConstraints(pattern=IMAGE, max_length=512)] | None = Field(
        None,
        description=(
            "Another image of that version, with the entry point of the official one. Not set: the"
            " official one, or what the operator was given instead."
        ),
    )
    resources: PostgresResources = Field(
        PostgresResources(),
        description="CPU and memory of the pod. Not set: 250m, and 1Gi; Postgres is tuned to it.",
    )
    max_connections: Connections | None = Field(
        None,
        description=(
            "Connections that Postgres takes; a change restarts it. The scorers' pools are sized to"
            " stay below, see status.effective.connections. Not set: by the memory it was made"
            " with, and left so: 100 with 1Gi, 100 more with each further one, 500 at the most."
        ),
    )
    retention: Retention | None = Field(
        None,
        description=(
            "What becomes of volume and passwords when the detector, or spec.postgres, is deleted."
            " Retain: they stay, and are taken back by a detector of the same name. Delete: they"
            " go, with everything recorded. Not set: Retain."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.image) || has(self.version)",
            message=(
                "spec.postgres.managed.image needs spec.postgres.managed.version: which major"
                " version the data is of"
            ),
            holds=lambda managed: managed.image is None or managed.version is not None,
        ),
        Rule(
            cel=(
                "!has(oldSelf.version) || !has(self.version)"
                " || self.version.split('.')[0] == oldSelf.version.split('.')[0]"
            ),
            message=(
                "spec.postgres.managed.version: the major version of a database that is there"
                " cannot be changed; restore a backup into a detector with the new version"
            ),
            holds=lambda _: True,
        ),
        Rule(
            cel=f"{cel_storage('self.storage')} >= {cel_storage('oldSelf.storage')}",
            message=(
                "spec.postgres.managed.storage: a volume cannot shrink; restore a backup into a"
                " detector with less storage"
            ),
            holds=lambda _: True,
        ),
        Rule(
            cel=(
                "has(self.storageClass) == has(oldSelf.storageClass)"
                " && (!has(self.storageClass) || self.storageClass == oldSelf.storageClass)"
            ),
            message=(
                "spec.postgres.managed.storageClass cannot be changed; restore a backup into a"
                " detector with the other class"
            ),
            holds=lambda _: True,
        ),
    )


class ExternalPostgres(Fields):
    """A Postgres that somebody else runs: a cluster of CloudNativePG, a cloud's."""

    secret: ObjectName = Field(
        description=(
            "Name of a Secret in this namespace with the key uri (postgresql://), or with host,"
            " dbname, username (or user), password and, where needed, port, sslmode and ca.crt: as"
            " CloudNativePG writes its Secret CLUSTER-app. The role owns the database, or may make"
            " tables in it. It is read anew at each connection, so a rotation restarts nothing."
        )
    )
    max_connections: Connections | None = Field(
        None,
        description=(
            "Connections there that this detector may use; its pools are sized to stay below."
            " Not set: 97, what a server with max_connections 100 leaves to others than superusers."
        ),
    )


class Postgres(Fields):
    """Where everything is recorded. While it is away, transactions are scored and recorded all the
    same: records wait in the pods' spool, and in spec.audit.destination."""

    managed: ManagedPostgres | None = Field(None, description="A Postgres that the operator runs.")
    external: ExternalPostgres | None = Field(
        None, description="A Postgres that somebody else runs."
    )

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("spec.postgres", "managed", "external"),)
