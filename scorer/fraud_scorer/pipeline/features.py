"""Stage three: the model's inputs, in its order, out of what the request brought.

So far all features come in the request; those kept in windows will come in here.
"""

from __future__ import annotations

from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.loaded import LoadedModel


def features(request: ScoreRequest, model: LoadedModel) -> Row:
    """The row to be scored. Raises Problem, naming every feature at fault."""
    return model.inputs.row(request.features)
