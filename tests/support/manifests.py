"""A manifest that every check accepts, for tests to change what they are about."""

from __future__ import annotations

from datetime import UTC, datetime

from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
)

MODEL_BYTES = b"not a model, but bytes with a digest" * 1000


def manifest(version: str = "v1", **changes: object) -> Manifest:
    """Of a version whose model is `MODEL_BYTES`, with these fields changed."""
    fields: dict[str, object] = {
        "schema_version": 1,
        "model": "card-payments",
        "version": version,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "framework": Framework(name="scikit-learn", version="1.9.1", python="3.13.1"),
        "engine": Engine(format="fdm", version=1),
        "files": (
            FileRef(
                path="model.fdm",
                sha256=sha256_hex(MODEL_BYTES),
                size=len(MODEL_BYTES),
                role="model",
            ),
        ),
        "features": (
            Feature(name="amount", type="number", minimum=0, maximum=1000),
            Feature(name="age", type="number", nullable=True),
            Feature(name="channel", type="category", categories=("app", "web")),
        ),
        "golden": (Golden(features={"amount": 9.5, "age": None, "channel": "app"}, score=0.2),),
        "thresholds": Thresholds(review="0.5", decline="0.9"),
    }
    return Manifest(**(fields | changes))  # type: ignore[arg-type]
