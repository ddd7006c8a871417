"""Stage three: the model's inputs, in its order, out of what the request brought and what is kept
of its entities."""

from __future__ import annotations

from collections.abc import Mapping

from fraud_scorer.features.online import Answer
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.loaded import LoadedModel

Known = Mapping[str, Answer]
"""What is kept, by the layout in which it is kept (`LoadedModel.layout_key`)."""


def features(
    request: ScoreRequest, model: LoadedModel, known: Answer | None = None, *, fits: bool = False
) -> Row:
    """The row to be scored; what is not known has the population's values. `fits`: what the request
    brings was held against the manifest already. Raises Problem, naming every feature at fault."""
    kept = None if known is None else known.values
    if fits:
        return model.inputs.completed(request.features, kept)
    return model.inputs.row(request.features, kept)
