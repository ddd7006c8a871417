"""What judge says at the end, for those that stand in for it."""

from __future__ import annotations

from msgspec import structs

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.plan import ManifestRef
from fraud_scorer.artifact.verdict import Verdict


def proven(published: Manifest, source: str, *, report: str = "") -> Verdict:
    """Nothing is wrong with a version that has a manifest, whose digest is `source`."""
    model = published.model_file
    return Verdict(
        outcome="Proven",
        reason="Proven",
        version=published.version,
        source=source,
        digest=published.digest,
        manifest=ManifestRef(path=layout.blob(source), sha256=source),
        model=structs.replace(model, path=layout.blob(model.sha256)),
        report=report,
    )
