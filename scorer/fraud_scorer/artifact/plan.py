"""The model plan: what a scorer pod is told to serve, each file by its digest.

The operator writes it, pods read it; both sides go through this module. A plan names its own
`revision`, a digest of everything else in it, so that equal plans are one plan and a changed one
cannot pass for the old.
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

MOST_REASONS = 4
_REVISION_DIGITS = 10


class PlanError(ValueError):
    """A plan that cannot be followed; the message says where and why."""


class S3Location(Strict, frozen=True):
    """Where versions lie behind an S3 API. `endpoint` is empty for AWS itself."""

    bucket: Annotated[str, Meta(min_length=1, max_length=63)]
    prefix: str = ""
    region: str = ""
    endpoint: str = ""


def s3_location(url: str, *, region: str = "", endpoint: str = "") -> S3Location:
    """The location in `s3://bucket/prefix/`. Raises ValueError for anything else."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError(f"{url!r} is not a store: give s3://bucket/prefix/")
    return S3Location(bucket=bucket, prefix=prefix, region=region, endpoint=endpoint)


class StoreLocation(Strict, frozen=True):
    """Which store; other kinds will stand beside `s3`."""

    s3: S3Location


class ManifestRef(Strict, frozen=True):
    """Where the manifest lies, relative to the store's prefix, and what its bytes must be."""

    path: RelativePath
    sha256: Sha256


class PlannedModel(Strict, frozen=True):
    """One version to be held. Paths are relative to the store's prefix."""

    version: Name
    digest: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]
    manifest: ManifestRef
    model: FileRef
    """The compiled model: all that is to be fetched beside the manifest."""
    thresholds: Thresholds
    reasons: Annotated[int, Meta(ge=0, le=MOST_REASONS)] = MOST_REASONS
    """How many reasons an answer has that is not an approval, at the most."""


class ModelPlan(Strict, frozen=True):
    """Everything that a scorer pod is told about models."""

    schema_version: Literal[1]
    revision: str
    detector: Name
    store: StoreLocation
    active: PlannedModel


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
    return PlannedModel(
        version=manifest.version,
        digest=manifest.digest,
        manifest=ManifestRef(path=f"{at}{FILE_NAME}", sha256=manifest_sha256),
        model=msgspec.structs.replace(model, path=f"{at}{model.path}"),
        thresholds=chosen,
        reasons=reasons,
    )


def make_plan(detector: str, store: StoreLocation, active: PlannedModel) -> ModelPlan:
    """The plan, with its revision. The same arguments always give the same plan."""
    draft = ModelPlan(schema_version=1, revision="", detector=detector, store=store, active=active)
    return msgspec.structs.replace(draft, revision=revision_of(draft))


def revision_of(plan: ModelPlan) -> str:
    """The first ten hexadecimal digits of the sha256 of the canonical JSON without `revision`."""
    fields = msgspec.to_builtins(plan)
    del fields["revision"]
    return sha256_hex(canonical_json(fields))[:_REVISION_DIGITS]


def encode(plan: ModelPlan) -> str:
    """The plan as the ConfigMap holds it: canonical JSON."""
    return canonical_json(plan).decode()


def decode(text: str | bytes) -> ModelPlan:
    """The plan in `text`. Raises PlanError where it is malformed or contradicts its revision."""
    try:
        plan = msgspec.json.decode(text, type=ModelPlan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlanError(f"not a model plan: {error}") from None
    if plan.revision != revision_of(plan):
        raise PlanError(
            f"the plan says revision {plan.revision!r} but its content is {revision_of(plan)!r}:"
            " it was edited by hand; the operator writes it anew when the ConfigMap is deleted"
        )
    if plan.active.digest != qualified(plan.active.model.sha256):
        raise PlanError("active.digest is not the digest of the compiled model")
    return plan


def read(path: Path) -> ModelPlan:
    """The plan in a file. Raises PlanError, naming the file."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise PlanError(f"cannot read the model plan {path}: {error.strerror}") from None
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from None
