"""Stage four: the probability of fraud, and stage five's reasons for it.

A compiled model takes microseconds, so it is asked where the request is: there is no queue and no
thread to hand a row to.
"""

from __future__ import annotations

from fraud_scorer.engine import RowError
from fraud_scorer.pipeline.envelope import Reason
from fraud_scorer.problem import INVALID, Problem, field_error
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.loaded import LoadedModel


class Unscorable(Problem):
    """A transaction that the manifest allows and the model has no score for."""


class NoProbability(Unscorable):
    """What the model gave is no probability: NaN, or beyond 0 to 1."""


def score(model: LoadedModel, row: Row) -> float:
    """The row's probability of fraud. Raises Unscorable where the model has none for it."""
    try:
        probability = model.model.score_one(row)
    except RowError as error:
        raise _unscorable(error) from None
    if 0 <= probability <= 1:
        return probability
    raise NoProbability(INVALID, "The model has no probability for these features")


def reasons(model: LoadedModel, row: Row) -> tuple[Reason, ...]:
    """What moved the score of that row most away from an ordinary transaction's, the largest first;
    nothing where the model was published without reference rows."""
    if not model.explains:
        return ()
    codes = model.reason_codes
    return tuple(
        Reason(
            code=codes[feature],
            feature=feature,
            direction="raises" if contribution > 0 else "lowers",
            contribution=contribution,
        )
        for feature, contribution in model.model.explain(row, model.reasons)
    )


def _unscorable(error: RowError) -> Unscorable:
    """A row that the manifest allows and the model does not take."""
    if error.feature is None:
        return Unscorable(INVALID, "The model has no probability for these features")
    at = field_error(["features", error.feature], error.problem)
    return Unscorable(INVALID, f"{at.pointer} {at.detail}", [at])
