"""`spec.model`: where versions are published, and which of them is wanted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule, exactly_one
from fraud_operator.api.names import ObjectName
from fraud_operator.api.quantities import Duration, seconds

# A version is a folder's name in the store and a label's value in the cluster.
_VERSION = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_PREFIX = r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*/?)?$"
# Without user:password@, which status and logs would repeat.
_ENDPOINT = r"^(https?://[^\s/?#@]+/?)?$"


class S3Source(Fields):
    """A bucket behind an S3 API: AWS, MinIO, Ceph, versitygw and others."""

    bucket: Annotated[str, StringConstraints(pattern=_BUCKET, min_length=3, max_length=63)] = Field(
        description="Name of the bucket."
    )
    prefix: Annotated[str, StringConstraints(pattern=_PREFIX, max_length=512)] | None = Field(
        None,
        description=(
            "Folder in the bucket under which each version is a folder:"
            " PREFIX/VERSION/manifest.json. Empty: the bucket itself."
        ),
    )
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$", max_length=32)] | None = (
        Field(None, description="Region of the bucket. Empty: us-east-1.")
    )
    endpoint: Annotated[str, StringConstraints(pattern=_ENDPOINT, max_length=512)] | None = Field(
        None,
        description=(
            "URL of the S3 API, such as http://minio.storage.svc:9000. Empty: AWS itself."
        ),
    )
    credentials_secret: ObjectName | None = Field(
        None,
        description=(
            "Name of a Secret in this namespace with the keys accessKeyID and secretAccessKey"
            " (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY). Not set: the pods' ServiceAccount"
            " is who asks; see spec.scorer.serviceAccountAnnotations. The operator's own identity"
            " is never used."
        ),
    )


class ModelSource(Fields):
    """Where model versions are published. Exactly one kind of store."""

    s3: S3Source | None = Field(None, description="A bucket behind an S3 API.")

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("spec.model.source", "s3"),)


class Model(Fields):
    """Which model is served, and where its versions come from."""

    source: ModelSource = Field(
        description="Where model versions are published. Exactly one kind of store."
    )
    version: Annotated[str, StringConstraints(pattern=_VERSION, max_length=63)] | None = Field(
        None,
        description=(
            "The version to serve. Empty: the newest one that the scorer pods have accepted."
        ),
    )
    sync_interval: Duration | None = Field(
        None,
        description=(
            "How often the store is asked for new versions, from 1s to 24h, such as 30s, 5m or 1h."
            " Not set: 30s."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.syncInterval) || duration(self.syncInterval) <= duration('24h')",
            message="spec.model.syncInterval must be at most 24h",
            holds=lambda model: (
                model.sync_interval is None or seconds(model.sync_interval) <= 86_400
            ),
        ),
    )
