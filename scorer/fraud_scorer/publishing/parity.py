"""The compiled model's scores against those of the library that made it, row by row.

docs/exactness.md says what each word of the compiled model promises; here it is held to it, on the
publisher's own model and transactions. A difference beyond that is a defect of the compiler, and
the model is not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fraud_scorer.engine import Model
from fraud_scorer.publishing.fitted import Fitted
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import UnfitError

ULPS = 6
"""Units in the last place by which a rounded score may differ."""
CLOSE = 1e-9
"""How far a bounded score may be off: orders of magnitude above any bound of a usual model."""
SINGLE = 1e-6
"""The same where the library itself adds up in float32."""


def require_parity(model: Model, fitted: Fitted, rows: Sequence[Row], what: str) -> float:
    """The greatest difference of a score. Raises UnfitError where one is beyond the promise."""
    ours = np.array(model.score_rows(rows))
    differences = [_checked(model, ours, theirs) for theirs in fitted.scores(rows)]
    if model.header.flips is not None:  # an inexact threshold was accepted, and measured
        return min(float(worst.max()) for worst, _ in differences)
    for worst, wrong in differences:
        if not wrong.any():
            return float(worst.max())
    worst, wrong = differences[0]
    row = int(np.flatnonzero(wrong)[0])
    raise UnfitError(
        f"{what}[{row}] scores {ours[row]!r} when compiled, which is {worst[row]:.3g} off what the"
        f" model itself says, and {model.header.exactness!r} (docs/exactness.md) allows no such"
        " difference. This is a defect of the compiler: please report it with the model's steps"
        f" ({', '.join(step.kind for step in model.header.steps[:10])})"
    )


def _checked(model: Model, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """By row the difference, and whether it is too great."""
    worst = np.abs(ours - theirs)
    return worst, ~(worst <= _allowed(model, theirs))


def _allowed(model: Model, theirs: Any) -> Any:
    if model.header.exactness == "exact":
        return 0.0
    if model.header.exactness == "rounded":
        return ULPS * np.spacing(theirs)
    in_single = any(step.kind.startswith("XGB") for step in model.header.steps)
    return SINGLE if in_single else CLOSE
