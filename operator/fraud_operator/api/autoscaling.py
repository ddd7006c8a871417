"""`spec.autoscaling`: bounds and targets of the HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from fraud_operator.api.fields import Fields, Rule

MOST_REPLICAS = 1000

Replicas = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]
Percent = Annotated[int, Field(ge=1, le=100)]


class Autoscaling(Fields):
    """A HorizontalPodAutoscaler for the scorer pods. `{}` takes all from the capacity table."""

    min_replicas: Replicas | None = Field(
        None,
        description=(
            "Fewest scorer pods. Not set: from the capacity table, but never above maxReplicas."
        ),
    )
    max_replicas: Replicas | None = Field(
        None,
        description=(
            "Most scorer pods. Not set: from the capacity table, but never below minReplicas."
        ),
    )
    cpu_utilization: Percent | None = Field(
        None, description="Percent of the CPU request to scale for. Not set: 70."
    )
    memory_utilization: Percent | None = Field(
        None, description="Percent of the memory request to scale for. Not set: 80."
    )
    scale_down_stabilization_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        None,
        description=(
            "For how many seconds fewer pods must have been enough before one is taken away."
            " Not set: 300."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.minReplicas) || !has(self.maxReplicas)"
                " || self.minReplicas <= self.maxReplicas"
            ),
            message="spec.autoscaling.minReplicas must not be greater than maxReplicas",
            holds=lambda scaling: (
                scaling.min_replicas is None
                or scaling.max_replicas is None
                or scaling.min_replicas <= scaling.max_replicas
            ),
        ),
    )
