"""What a model is given: which features, where they come from, and their rows.

sent      the handbook's fifteen, all computed by whoever asks for a score
kept      the same fifteen; the twelve of customers and terminals are kept by the scorer
amounts   three that need no history: the amount, weekend, night
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.handbook import kept, windows
from examples.handbook.dataset import Dataset
from examples.handbook.features import NAMES
from examples.handbook.streams import Floats
from fraud_scorer.artifact.manifest import Feature

Chosen = NDArray[np.bool_]
REQUEST = NAMES[:3]
"""Those that need no history, which is why they always come with the request."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Features, and how their rows are had from a data set."""

    features: tuple[Feature, ...]
    rows: Callable[[Dataset], Callable[[Chosen], Floats]]
    """For a data set: the rows of the chosen transactions."""

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the columns."""
        return tuple(feature.name for feature in self.features)


def sent(name: str) -> Feature:
    """A feature that the caller computes."""
    flag_or_share = name in ("weekend", "night") or "fraud_share" in name
    return Feature(name=name, type="number", minimum=0.0, maximum=1.0 if flag_or_share else None)


def _all_sent(data: Dataset) -> Callable[[Chosen], Floats]:
    return lambda chosen: data.features[chosen]


def _request_only(data: Dataset) -> Callable[[Chosen], Floats]:
    return lambda chosen: data.features[chosen, : len(REQUEST)]


def _with_kept(data: Dataset) -> Callable[[Chosen], Floats]:
    request, history = _request_only(data), kept.load(data.transactions)
    return lambda chosen: np.column_stack([request(chosen), history.of(chosen)])


INPUTS = {
    "sent": Inputs(tuple(map(sent, NAMES)), _all_sent),
    "kept": Inputs((*map(sent, REQUEST), *windows.declared()), _with_kept),
    "amounts": Inputs(tuple(map(sent, REQUEST)), _request_only),
}
