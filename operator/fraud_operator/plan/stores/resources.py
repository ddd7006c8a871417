"""CPU and memory of a store's pod: what is set, else a default."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.api import quantities
from fraud_operator.api.resources import StoreResources
from fraud_operator.plan.effective import container_resources


@dataclass(frozen=True, slots=True)
class StoreSize:
    """`resources` is as a container takes it."""

    resources: dict[str, dict[str, str]]
    memory_bytes: int
    """The limit."""

    @property
    def memory(self) -> str:
        """The limit, as Kubernetes writes it."""
        return self.resources["limits"]["memory"]


def store_size(spec: StoreResources, cpu: str, memory: str) -> StoreSize:
    """With these defaults."""
    limit = spec.limits.memory or spec.requests.memory or memory
    return StoreSize(container_resources(spec, cpu, memory), int(quantities.bytes_of(limit)))
