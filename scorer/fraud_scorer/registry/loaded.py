"""One version, held in this process and ready to score."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.engine import Model
from fraud_scorer.features.layout import Layout, layout
from fraud_scorer.registry.inputs import Inputs


class AnswerModel(Struct, frozen=True, kw_only=True):
    """Which model gave the score."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that has reproduced its golden transactions in this very process.

    `review` and `decline` are probabilities; `reasons` is how many an answer has that is not an
    approval, at the most; `revision` is the plan's, or the version where there is no plan. What
    every request would otherwise look up in the manifest is made once.
    """

    revision: str
    manifest: Manifest
    digest: str
    review: float
    decline: float
    reasons: int
    model: Model
    inputs: Inputs = field(init=False)
    named: AnswerModel = field(init=False)
    reason_codes: dict[str, str] = field(init=False)
    """By feature."""
    layout: Layout | None = field(init=False)
    """What is kept of entities for it; None where all features come in the request."""
    layout_key: str = field(init=False)
    """Models with the same declarations have the same; empty: nothing is kept."""

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # once, before anybody else has it
        set_(self, "inputs", Inputs(self.manifest))
        set_(
            self,
            "named",
            AnswerModel(name=self.name, version=self.version, digest=self.digest),
        )
        set_(self, "reason_codes", {one.name: one.reason_code for one in self.manifest.features})
        kept = any(one.source != "request" for one in self.manifest.features)
        set_(self, "layout", layout(self.manifest.features) if kept else None)
        set_(self, "layout_key", repr(self.layout.features) if self.layout is not None else "")

    @property
    def name(self) -> str:
        return self.manifest.model

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def explains(self) -> bool:
        """Whether its answers have reasons."""
        return self.reasons > 0 and self.model.explains
