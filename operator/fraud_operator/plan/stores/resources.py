"""CPU and memory of a store's pod: what is set, else a default."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.api import quantities
from fraud_operator.api.resources import StoreResources


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
    """With these defaults. A limit of memory that is not set is the request, and the other way
    round; a default never asks for more than a limit that is set."""
    limit = spec.limits.memory or spec.requests.memory or memory
    request = spec.requests.memory or limit
    cores = spec.requests.cpu or cpu
    if spec.limits.cpu and quantities.millicores(cores) > quantities.millicores(spec.limits.cpu):
        cores = spec.limits.cpu
    limits = {"memory": quantities.canonical_memory(limit)}
    if spec.limits.cpu:
        limits = {"cpu": quantities.canonical_cpu(spec.limits.cpu), **limits}
    requests = {
        "cpu": quantities.canonical_cpu(cores),
        "memory": quantities.canonical_memory(request),
    }
    return StoreSize({"requests": requests, "limits": limits}, int(quantities.bytes_of(limit)))
