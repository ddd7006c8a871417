"""The model plan: what scorer pods are told to serve, each file by its digest.

The operator writes it, pods follow it; both sides go through this module. Plans of a detector are
numbered: of two, the one with the greater `serial` is the later, by whatever way it came, so that
an old one that arrives late changes nothing. `checksum` is over everything else in it, so that a
plan that was edited by hand cannot pass for the operator's.

A *revision* is a model together with its thresholds and number of reasons: what an answer depends
on besides the transaction. It is named by a digest of these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fraud_scorer.artifact.digest import canonical_json, qualified, sha256_hex
from fraud_scorer.artifact.manifest import (
    FILE_NAME,
    FileRef,
    Manifest,
    Name,
    RelativePath,
    Sha256,
    Strict,
    Thresholds,
)

Decision = Literal["approve", "review", "decline"]
"""What an answer says to do."""

MOST_REASONS = 4
WHOLE = 10_000
"""All transactions, as a candidate's share."""

TOKEN_FILE = "token"  # noqa: S105 - the name of a file
"""Where a volume's server is asked: the token that it lets in."""

CA_FILE = "ca.crt"
"""Beside the credentials of a store: authorities that are trusted instead of the public ones."""

GOLDEN_TOLERANCE = 1e-9
"""How far a golden score may be off. The same engine gives the same bits; another version of it may
round otherwise, and what is beyond rounding is another model."""

_REVISION_DIGITS = 10
_CHECKSUM_DIGITS = 16


class PlanError(ValueError):
    """A plan that cannot be followed; the message says where and why."""


class S3Location(Strict, frozen=True):
    """Where versions lie behind an S3 API. `endpoint` is empty for AWS itself.

    How what is written is encrypted is the bucket's affair where `encryption` is empty.
    """

    bucket: Annotated[str, Meta(min_length=1, max_length=63)]
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    addressing: Literal["Auto", "Path", "Virtual"] = "Auto"
    """Auto: by path at an endpoint that is named, as AWS itself wants it otherwise."""
    encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = ""
    kms_key: str = ""


def s3_location(url: str, *, region: str = "", endpoint: str = "") -> S3Location:
    """The location in `s3://bucket/prefix/`. Raises ValueError for anything else."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError(f"{url!r} is not a store: give s3://bucket/prefix/")
    return S3Location(bucket=bucket, prefix=prefix, region=region, endpoint=endpoint)


class GCSLocation(Strict, frozen=True):
    """Where versions lie in Google Cloud Storage. `endpoint` is empty for Google's own."""

    bucket: Annotated[str, Meta(min_length=1, max_length=222)]
    prefix: str = ""
    endpoint: str = ""


class VolumeLocation(Strict, frozen=True):
    """Where versions lie on a volume that a store server of ours gives out over HTTP."""

    url: str
    prefix: str = ""


class StoreLocation(Strict, frozen=True):
    """Which store: exactly one kind. `opening.open_store` opens it."""

    s3: S3Location | None = None
    gcs: GCSLocation | None = None
    volume: VolumeLocation | None = None

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.s3, self.gcs, self.volume)) != 1:
            raise ValueError("exactly one of s3, gcs and volume must be there")

    def __str__(self) -> str:
        """As people name it."""
        if self.s3 is not None:
            return f"s3://{self.s3.bucket}/{self.s3.prefix}"
        if self.gcs is not None:
            return f"gs://{self.gcs.bucket}/{self.gcs.prefix}"
        return f"{self.volume.url}/{self.volume.prefix}" if self.volume is not None else ""


def store_location(url: str, *, region: str = "", endpoint: str = "") -> StoreLocation:
    """The location in `s3://bucket/prefix/` or `gs://bucket/prefix/`. Raises ValueError for
    anything else."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if bucket and scheme == "s3":
        return StoreLocation(s3=s3_location(url, region=region, endpoint=endpoint))
    if bucket and scheme == "gs":
        if region:
            raise ValueError(f"{url} needs no region: leave it out")
        return StoreLocation(gcs=GCSLocation(bucket=bucket, prefix=prefix, endpoint=endpoint))
    raise ValueError(f"{url!r} is not a store: give s3://bucket/prefix/ or gs://bucket/prefix/")


class ManifestRef(Strict, frozen=True):
    """Where the manifest lies, relative to the store's prefix, and what its bytes must be."""

    path: RelativePath
    sha256: Sha256


class PlannedModel(Strict, frozen=True):
    """One revision to be held. Paths are relative to the store's prefix."""

    revision: str
    version: Name
    digest: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]
    manifest: ManifestRef
    model: FileRef
    """The compiled model: all that is to be fetched beside the manifest."""
    thresholds: Thresholds
    reasons: Annotated[int, Meta(ge=0, le=MOST_REASONS)] = MOST_REASONS
    """How many reasons an answer has that is not an approval, at the most."""
    golden_tolerance: Annotated[float, Meta(ge=0, le=1)] = GOLDEN_TOLERANCE
    """How far golden scores may be off where the model is proven: as far as in its verification,
    or pods would refuse what that accepted."""


class Candidate(Strict, frozen=True):
    """A revision that pods hold beside the active one.

    `share` of ten thousand transactions are answered by it: those whose id falls into it, by a
    digest, so that a transaction has the same answer in every pod. `shadow`: it scores a copy of
    every transaction besides, and answers none. With neither it is only held and proven.
    """

    model: PlannedModel
    share: Annotated[int, Meta(ge=0, le=WHOLE)] = 0
    shadow: bool = False

    def __post_init__(self) -> None:
        if self.shadow and self.share:
            raise ValueError("a shadow answers nobody: its share must be 0")


class ModelPlan(Strict, frozen=True):
    """Everything that a scorer pod is told about models.

    Transactions are answered by `active`, the candidate's share by `candidate`, and by nothing
    else. `last_known_good` is held, so that going back to it takes no time, and answers only in a
    pod that cannot have the active one when it starts. Where nothing is active, `when_unavailable`
    is the answer, if it is given.
    """

    schema_version: Literal[2]
    serial: Annotated[int, Meta(ge=1)]
    checksum: str
    detector: Name
    store: StoreLocation
    active: PlannedModel | None = None
    last_known_good: PlannedModel | None = None
    candidate: Candidate | None = None
    when_unavailable: Decision | None = None
    backup: StoreLocation | None = None
    """Where proven bytes are besides, for when `store` does not give them."""

    @property
    def models(self) -> tuple[PlannedModel, ...]:
        """Every revision that a pod is to hold, each once, the most urgent first."""
        candidate = self.candidate.model if self.candidate else None
        wanted = (self.active, candidate, self.last_known_good)
        return tuple({one.revision: one for one in wanted if one is not None}.values())


def planned(
    manifest: Manifest,
    manifest_sha256: str,
    thresholds: Thresholds | None = None,
    *,
    reasons: int = MOST_REASONS,
    folder: str | None = None,
) -> PlannedModel:
    """How a plan names this version; `thresholds` win over the manifest's own.

    `folder` is where the version lies below the prefix: by default its name. Raises PlanError where
    there are no thresholds.
    """
    chosen = thresholds or manifest.thresholds
    if chosen is None:
        raise PlanError(
            f"version {manifest.version} has no thresholds: set spec.scoring.thresholds,"
            " or publish it with thresholds"
        )
    model = manifest.model_file
    at = "" if folder == "" else f"{folder or manifest.version}/"
    return as_revision(
        version=manifest.version,
        digest=manifest.digest,
        manifest=ManifestRef(path=f"{at}{FILE_NAME}", sha256=manifest_sha256),
        model=msgspec.structs.replace(model, path=f"{at}{model.path}"),
        thresholds=chosen,
        reasons=reasons,
    )


def as_revision(
    *,
    version: str,
    digest: str,
    manifest: ManifestRef,
    model: FileRef,
    thresholds: Thresholds,
    reasons: int,
) -> PlannedModel:
    """The revision of these parts, named by a digest of what answers depend on: where the bytes lie
    is no part of it."""
    depends = [digest, manifest.sha256, thresholds, reasons]
    return PlannedModel(
        revision=sha256_hex(canonical_json(depends))[:_REVISION_DIGITS],
        version=version,
        digest=digest,
        manifest=manifest,
        model=model,
        thresholds=thresholds,
        reasons=reasons,
    )


def sealed(plan: ModelPlan) -> ModelPlan:
    """The plan with the checksum of its content."""
    return msgspec.structs.replace(plan, checksum=_checksum(plan))


def _checksum(plan: ModelPlan) -> str:
    fields = msgspec.to_builtins(plan)
    del fields["checksum"]
    return sha256_hex(canonical_json(fields))[:_CHECKSUM_DIGITS]


def encode(plan: ModelPlan) -> str:
    """The plan as the ConfigMap holds it: canonical JSON."""
    return canonical_json(plan).decode()


def decode(text: str | bytes) -> ModelPlan:
    """The plan in `text`. Raises PlanError where it is malformed or contradicts its revision."""
    try:
        plan = msgspec.json.decode(text, type=ModelPlan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlanError(f"not a model plan: {error}") from None
    if plan.checksum != _checksum(plan):
        raise PlanError(
            f"the plan says checksum {plan.checksum!r} but its content has {_checksum(plan)!r}:"
            " it was edited by hand; the operator writes it anew when the ConfigMap is deleted"
        )
    for one in plan.models:
        if one.digest != qualified(one.model.sha256):
            raise PlanError(f"the digest of version {one.version} is not that of its model")
    return plan


def read(path: Path) -> ModelPlan:
    """The plan in a file. Raises PlanError, naming the file."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise PlanError(f"cannot read the model plan {path}: {error.strerror}") from None
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from None
