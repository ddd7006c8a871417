"""What the engine raises: a file that is no model, and a row that a model does not take."""

from __future__ import annotations


class FormatError(ValueError):
    """The bytes are not a model that this engine can use; the message says what is wrong."""


class RowError(ValueError):
    """A row without a score. `feature` names the input, or is None where several are involved."""

    def __init__(self, feature: str | None, problem: str) -> None:
        super().__init__(f"{feature} {problem}" if feature is not None else problem)
        self.feature = feature
        self.problem = problem
