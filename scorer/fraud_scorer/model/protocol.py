"""What every kind of model can do, whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fraud_scorer.artifact.manifest import Value

Row = Sequence[Value]
"""The values of one transaction, in the order of the manifest's features."""


class Model(Protocol):
    """A loaded model. `score` may be called from any thread, by one at a time."""

    def score(self, rows: Sequence[Row]) -> list[float]:
        """The probability of fraud of each row, from 0 to 1, in the same order."""
        ...


class LoadError(Exception):
    """A model file that cannot be used; the message says why and what to do."""


class FrameworkMismatchError(LoadError):
    """The model was made with another version of its framework than this process has."""

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual
