"""Where files are kept: `spec.model.source`, `spec.model.artifacts`, and what else needs a store.

A place has exactly one kind. Each use is a class of its own, since a rule names its field's path.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule, exactly_one
from fraud_operator.api.names import ObjectName, SecretKey

_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_GOOGLE_BUCKET = r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$"
_PREFIX = r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*/?)?$"
_PATH = r"^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?)?$"
# Without user:password@, which status and logs would repeat.
_ENDPOINT = r"^(https?://[^\s/?#@]+/?)?$"
_KMS_KEY = r"^[A-Za-z0-9:/_+=,.@-]+$"

Prefix = Annotated[str, StringConstraints(pattern=_PREFIX, max_length=512)]
Endpoint = Annotated[str, StringConstraints(pattern=_ENDPOINT, max_length=512)]
_PREFIX_DESCRIPTION = (
    "Folder in the bucket under which each version is a folder:"
    " PREFIX/VERSION/manifest.json. Empty: the bucket itself."
)

_CA_DESCRIPTION = (
    "Certificates that are trusted when the endpoint is asked over https, instead of the public"
    " authorities. Exactly one of configMap and secret."
)


class KeyOf(Fields):
    """One key of a ConfigMap or a Secret."""

    name: ObjectName = Field(description="Name of the object, in this namespace.")
    key: SecretKey | None = Field(None, description="Key in its data. Not set: ca.crt.")


class CABundle(Fields):
    """Certificates in PEM that are trusted instead of the public ones."""

    config_map: KeyOf | None = Field(None, description="A ConfigMap that holds them.")
    secret: KeyOf | None = Field(None, description="A Secret that holds them.")

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("caBundle", "config_map", "secret"),)


class ServerSideEncryption(Fields):
    """How the store is asked to encrypt what is written."""

    algorithm: Literal["AES256", "aws:kms", "aws:kms:dsse"] = Field(
        description="AES256: keys of the store's own. aws:kms, aws:kms:dsse: a key of AWS KMS."
    )
    kms_key_id: Annotated[str, StringConstraints(pattern=_KMS_KEY, max_length=2048)] | None = Field(
        None,
        alias="kmsKeyID",
        description="Id, ARN or alias of the key in KMS. Not set: the account's key for S3.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.kmsKeyID) || self.algorithm.startsWith('aws:kms')",
            message="serverSideEncryption.kmsKeyID needs the algorithm aws:kms or aws:kms:dsse",
            holds=lambda one: one.kms_key_id is None or one.algorithm.startswith("aws:kms"),
        ),
    )


class S3Place(Fields):
    """A bucket behind an S3 API: AWS, MinIO, Ceph, versitygw and others."""

    bucket: Annotated[str, StringConstraints(pattern=_BUCKET, min_length=3, max_length=63)] = Field(
        description="Name of the bucket."
    )
    prefix: Prefix | None = Field(None, description=_PREFIX_DESCRIPTION)
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$", max_length=32)] | None = (
        Field(None, description="Region of the bucket. Empty: us-east-1.")
    )
    endpoint: Endpoint | None = Field(
        None,
        description=(
            "URL of the S3 API, such as http://minio.storage.svc:9000. Empty: AWS itself."
        ),
    )
    addressing_style: Literal["Auto", "Path", "Virtual"] | None = Field(
        None,
        description=(
            "Where requests name the bucket. Path: in the path; Virtual: in the host name, which"
            " some endpoints insist on. Not set: Auto, which is Path where endpoint is set."
        ),
    )
    ca_bundle: CABundle | None = Field(None, description=_CA_DESCRIPTION)
    server_side_encryption: ServerSideEncryption | None = Field(
        None,
        description="How what is written is to be encrypted. Not set: as the bucket says.",
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


class GCSPlace(Fields):
    """A bucket of Google Cloud Storage."""

    bucket: Annotated[
        str, StringConstraints(pattern=_GOOGLE_BUCKET, min_length=3, max_length=222)
    ] = Field(description="Name of the bucket.")
    prefix: Prefix | None = Field(None, description=_PREFIX_DESCRIPTION)
    endpoint: Endpoint | None = Field(
        None, description="URL of something else that speaks the JSON API. Empty: Google itself."
    )
    ca_bundle: CABundle | None = Field(None, description=_CA_DESCRIPTION)
    credentials_secret: ObjectName | None = Field(
        None,
        description=(
            "Name of a Secret in this namespace with the key key.json: the key of a Google service"
            " account. Not set: the pods' ServiceAccount is who asks, as the Google service account"
            " in its annotation iam.gke.io/gcp-service-account; see"
            " spec.scorer.serviceAccountAnnotations. The operator's own identity is never used."
        ),
    )


class PVCPlace(Fields):
    """A folder on a volume, given out to the pods by a server that the operator runs."""

    claim_name: ObjectName = Field(description="Name of a PersistentVolumeClaim in this namespace.")
    path: Annotated[str, StringConstraints(pattern=_PATH, max_length=512)] | None = Field(
        None,
        description=(
            "Folder on the volume under which each version is a folder. Empty: the volume itself."
        ),
    )


class Place(Fields):
    """Exactly one kind of store; subclasses say so in a rule that names their field."""

    s3: S3Place | None = Field(None, description="A bucket behind an S3 API.")
    gcs: GCSPlace | None = Field(None, description="A bucket of Google Cloud Storage.")
    pvc: PVCPlace | None = Field(None, description="A folder on a PersistentVolumeClaim.")


def one_kind(path: str) -> Rule:
    """The rule of a place that is the field at `path`."""
    return exactly_one(path, "s3", "gcs", "pvc")


class ModelSource(Place):
    """Where model versions are published."""

    rules: ClassVar[tuple[Rule, ...]] = (one_kind("spec.model.source"),)


class ArtifactPlace(Place):
    """Where proven bytes are kept."""

    rules: ClassVar[tuple[Rule, ...]] = (one_kind("spec.model.artifacts"),)
