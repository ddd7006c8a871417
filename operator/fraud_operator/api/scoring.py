"""`spec.scoring`: what becomes of a score."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Fraction
from fraud_scorer.artifact.plan import MOST_REASONS

WhenUnavailable = Literal["Approve", "Review", "Decline"]
Reasons = Annotated[int, Field(ge=0, le=MOST_REASONS)]


class Thresholds(Fields):
    """From which score on a transaction is reviewed, and from which it is declined."""

    review: Fraction = Field(
        description='From this score on it is reviewed. A decimal string, such as "0.50".'
    )
    decline: Fraction = Field(
        description='From this score on it is declined. A decimal string, such as "0.90".'
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="double(self.review) < double(self.decline)",
            message="spec.scoring.thresholds.review must be less than decline",
            holds=lambda both: Decimal(both.review) < Decimal(both.decline),
        ),
    )


class Scoring(Fields):
    """What becomes of a score."""

    thresholds: Thresholds | None = Field(
        None,
        description=(
            "The scores at which a transaction is reviewed and declined."
            ' Not set: those of the model version, else "0.50" and "0.90".'
        ),
    )
    reasons: Reasons | None = Field(
        None,
        description=(
            "How many reasons an answer has that is not an approval, at the most. 0: none, which"
            " saves the work of finding them. Not set: 4."
        ),
    )
    when_unavailable: WhenUnavailable | None = Field(
        None,
        description=(
            "What a transaction is answered while no model can: Approve, Review or Decline, without"
            ' a score, and with "model" among degraded. Not set: it is answered with 503.'
        ),
    )
