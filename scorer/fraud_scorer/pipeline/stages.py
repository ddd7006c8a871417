"""What a detector has besides a model: all of it is optional, and what is not there costs nothing.

The pipeline knows these only as they are here; the serving process makes them as it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.pipeline.record import Records
from fraud_scorer.registry.loaded import LoadedModel


class Keeping(Protocol):
    """Features that are kept of entities."""

    def follow(self, models: Iterable[LoadedModel]) -> bool:
        """These take part from now on; whether any of them needs what is kept."""
        ...

    def ask(self, request: ScoreRequest, done: Callable[[Known], None]) -> None:
        """Call with what is kept of the transaction's entities; from then on it counts for
        others."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages between parsing and answering that a detector may have."""

    kept: Keeping | None = None
    records: Records | None = None


PLAIN = Stages()
"""A model, and nothing besides."""
