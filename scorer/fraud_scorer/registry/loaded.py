"""One version, held in this process and ready to score."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.model.protocol import Model


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that has reproduced its golden transactions in this very process.

    `review` and `decline` are probabilities; `revision` is the plan's, or the version where there
    is no plan.
    """

    revision: str
    manifest: Manifest
    digest: str
    review: float
    decline: float
    model: Model

    @property
    def name(self) -> str:
        return self.manifest.model

    @property
    def version(self) -> str:
        return self.manifest.version
