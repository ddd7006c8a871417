"""`spec.capacity`: how much traffic the detector is sized for."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Count, cel_count, count

MOST = 10**9
"""Transactions a day for which the capacity table has a row."""


class Capacity(Fields):
    """How much traffic the detector is sized for."""

    transactions_per_day: Count | None = Field(
        None,
        description=(
            "Transactions a day, such as 250k, 10M, 1B or a plain number. Gives replicas,"
            " resources, bounds of autoscaling and the TPS budget; what is set explicitly wins;"
            " status.effective shows the result. Not set: 1M."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.transactionsPerDay)"
                f" || {cel_count('self.transactionsPerDay')} <= {MOST}.0"
            ),
            message=(
                "spec.capacity.transactionsPerDay must be at most 1B;"
                " split larger traffic over several detectors"
            ),
            holds=lambda capacity: (
                capacity.transactions_per_day is None
                or count(capacity.transactions_per_day) <= MOST
            ),
        ),
    )
