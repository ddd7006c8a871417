"""Revisions that nobody has the bytes of, for tests of decisions about them."""

from __future__ import annotations

from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.manifest import FileRef, Thresholds
from fraud_scorer.artifact.plan import ManifestRef, PlannedModel


def revision(name: str) -> PlannedModel:
    """The revision of that name."""
    sha256 = sha256_hex(name.encode())
    return PlannedModel(
        revision=name,
        version=f"v-{name}",
        digest=qualified(sha256),
        manifest=ManifestRef(path=f"{name}/manifest.json", sha256=sha256_hex(b"m" + name.encode())),
        model=FileRef(path=f"{name}/model.fdm", sha256=sha256, size=1, role="model"),
        thresholds=Thresholds(review="0.5", decline="0.9"),
    )
