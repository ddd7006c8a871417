"""Model plans for tests: versions of which nothing but the name matters."""

from __future__ import annotations

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.manifest import FileRef, Thresholds
from fraud_scorer.artifact.plan import (
    Candidate,
    ManifestRef,
    ModelPlan,
    PlannedModel,
    S3Location,
    StoreLocation,
    as_revision,
    sealed,
)

THRESHOLDS = Thresholds(review="0.5", decline="0.9")


def digest_of(text: str) -> str:
    """64 hexadecimal digits made of the text, which tell texts apart and can be read."""
    return text.encode().hex().ljust(64, "0")[:64]


def revision(version: str, thresholds: Thresholds = THRESHOLDS) -> PlannedModel:
    """A version as a plan names it once it is proven."""
    model, manifest = digest_of(version), digest_of(f"m {version}")
    return as_revision(
        version=version,
        digest=f"sha256:{model}",
        manifest=ManifestRef(path=layout.blob(manifest), sha256=manifest),
        model=FileRef(path=layout.blob(model), sha256=model, size=1, role="model"),
        thresholds=thresholds,
        reasons=4,
    )


def model_plan(
    serial: int,
    active: str = "",
    last_known_good: str = "",
    *,
    candidate: Candidate | None = None,
    detector: str = "cards",
) -> ModelPlan:
    """A plan of these versions."""
    return sealed(
        ModelPlan(
            schema_version=2,
            serial=serial,
            checksum="",
            detector=detector,
            store=StoreLocation(s3=S3Location(bucket="fraud-models", prefix=f"{detector}/")),
            active=revision(active) if active else None,
            last_known_good=revision(last_known_good) if last_known_good else None,
            candidate=candidate,
        )
    )
