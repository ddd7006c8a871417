"""Transactions as they are published: plain values, held against the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fraud_scorer.artifact.manifest import Feature, Value, value_problem
from fraud_scorer.publishing.unfit import UnfitError

Row = tuple[Value, ...]
"""Values in the order of the features."""


def rows(what: str, given: Sequence[Mapping[str, Value]], features: Sequence[Feature]) -> list[Row]:
    """Each transaction as a row. Raises UnfitError, naming transaction and feature."""
    names = {feature.name for feature in features}
    plain = [{name: _plain(value) for name, value in row.items()} for row in given]
    for index, row in enumerate(plain):
        for name in sorted(names ^ row.keys()):
            problem = "is missing" if name in names else "is not among the features"
            raise UnfitError(f"{what}[{index}]: {name!r} {problem}")
        for feature in features:
            if problem := value_problem(feature, row[feature.name]):
                raise UnfitError(f"{what}[{index}].{feature.name} {problem}")
    return [tuple(row[feature.name] for feature in features) for row in plain]


def _plain(value: Any) -> Value:
    """A Python value where NumPy or pandas gave one of its own."""
    plain: Value = value.item() if isinstance(value, np.generic) else value
    return plain
