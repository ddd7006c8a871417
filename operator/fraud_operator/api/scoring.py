"""`spec.scoring`: what becomes of a score."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Fraction


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
