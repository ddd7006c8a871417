"""CPU and memory of a pod, and the rule that it is never guaranteed more than it may have."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import (
    Cpu,
    Memory,
    bytes_of,
    cel_bytes,
    cel_millicores,
    millicores,
)


class Amounts(Fields):
    """An amount of CPU and of memory."""

    cpu: Cpu | None = Field(None, description="Cores, such as 500m, 2 or 1.5.")
    memory: Memory | None = Field(
        None, description="Memory with the suffix M, G, Mi or Gi, such as 512Mi or 4Gi."
    )


def within_limits(path: str) -> tuple[Rule, ...]:
    """The rules of requests and limits, which are the field at `path`."""
    return (
        Rule(
            cel=(
                "!(has(self.requests) && has(self.requests.cpu)"
                " && has(self.limits) && has(self.limits.cpu))"
                f" || {cel_millicores('self.requests.cpu')} <= {cel_millicores('self.limits.cpu')}"
            ),
            message=f"{path}.requests.cpu must not be greater than limits.cpu",
            holds=lambda both: (
                both.requests.cpu is None
                or both.limits.cpu is None
                or millicores(both.requests.cpu) <= millicores(both.limits.cpu)
            ),
        ),
        Rule(
            cel=(
                "!(has(self.requests) && has(self.requests.memory)"
                " && has(self.limits) && has(self.limits.memory))"
                f" || {cel_bytes('self.requests.memory')} <= {cel_bytes('self.limits.memory')}"
            ),
            message=f"{path}.requests.memory must not be greater than limits.memory",
            holds=lambda both: (
                both.requests.memory is None
                or both.limits.memory is None
                or bytes_of(both.requests.memory) <= bytes_of(both.limits.memory)
            ),
        ),
    )


class StoreResources(Fields):
    """CPU and memory of the one pod of a managed store; subclasses say their path."""

    requests: Amounts = Field(
        Amounts(),
        description=(
            "What the pod is guaranteed. Memory not set: the limit, so that a full node takes it"
            " last."
        ),
    )
    limits: Amounts = Field(
        Amounts(),
        description=(
            "What the pod cannot exceed. CPU not set: no limit. Its memory is divided by this one."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
