"""How much an operator that looks after a handful of detectors may take: three quarters of what its
installation reserves for it, so that nodes are not filled by what nobody reserved."""

from __future__ import annotations

from collections.abc import Mapping

from fraud_operator.api import quantities
from fraud_operator.install.objects import Options


def most_megabytes() -> float:
    """In units of 1,048,576 bytes, as Kubernetes has them."""
    resources = Options(namespace="-", image="-", scorer_image="-").resources
    assert isinstance(resources, Mapping), "no placeholder"
    return float(quantities.bytes_of(resources["requests"]["memory"])) * 0.75 / (1 << 20)
