"""`spec.scoring`: what becomes of a score."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Fraction
from fraud_scorer.artifact.plan import MOST_REASONS

WhenUnavailable = Literal["Approve", "Review", "Decline"]
_INT64: JsonDict = {"format": "int64"}
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


MOST_APPROVED = Decimal("0.05")


class RandomApprovals(Fields):
    """A random share of transactions that would be declined is approved on purpose, so that it can
    be found out how many of the declined ones were no frauds. It costs what these frauds cost."""

    share: Fraction = Field(
        description=(
            'Which share of them, such as "0.01": above 0, and at most "0.05". Which ones those are'
            " follows from their ids and a key of this detector."
        )
    )
    max_amount_minor: Annotated[int, Field(ge=1, le=10**12, json_schema_extra=_INT64)] = Field(
        description="Never above this amount, in the currency's minor unit (cents)."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"double(self.share) > 0.0 && double(self.share) <= {MOST_APPROVED}",
            message='spec.scoring.randomApprovals.share must be above 0 and at most "0.05"',
            holds=lambda drawn: 0 < Decimal(drawn.share) <= MOST_APPROVED,
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
    random_approvals: RandomApprovals | None = Field(
        None,
        description=(
            "Approve a random share of what would be declined, and record how likely that was."
            " Needs spec.postgres. Not set: none."
        ),
    )
    lists: bool | None = Field(
        None,
        description=(
            "Whether lists of entities that are always approved or always declined are heeded."
            " Needs spec.postgres, where they are kept. Not set: false."
        ),
    )
