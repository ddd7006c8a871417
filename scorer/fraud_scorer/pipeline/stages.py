"""What a detector has besides a model: all of it is optional, and what is not there costs nothing.

The pipeline knows these only as they are here; the serving process makes them as it was told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from fraud_scorer.artifact.plan import Decision
from fraud_scorer.decisions.claims import Claim
from fraud_scorer.decisions.decide import Decided, decide, decide_unavailable
from fraud_scorer.decisions.lists import Lists, Rule
from fraud_scorer.decisions.random_approvals import RandomApprovals
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.pipeline.record import Records
from fraud_scorer.registry.loaded import LoadedModel

WITHOUT_LISTS = "lists"
"""Who is listed could never be read since the process began."""


class Keeping(Protocol):
    """Features that are kept of entities."""

    def follow(self, models: Iterable[LoadedModel]) -> bool:
        """These take part from now on; whether any of them needs what is kept."""
        ...

    def ask(self, request: ScoreRequest, mark: bytes, done: Callable[[Known], None]) -> None:
        """Call with what is kept of the transaction's entities; from then on it counts for
        others. `mark` is its fingerprint."""
        ...


class Claiming(Protocol):
    """Who answers a transaction, so that it is answered once."""

    def claim(self, transaction_id: str, fingerprint: bytes, done: Callable[[Claim], None]) -> None:
        """Claim it for what `fingerprint` is of; `done` is told what became of that."""
        ...

    def settle(self, claim: Claim, answer: bytes) -> None:
        """This is the answer, for whoever repeats the request."""
        ...

    def release(self, claim: Claim) -> None:
        """There is no answer: anybody may ask anew."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides besides the thresholds."""

    lists: Lists | None = None
    random_approvals: RandomApprovals | None = None

    @property
    def lacking(self) -> tuple[str, ...]:
        """What a decision has to do without."""
        return (WITHOUT_LISTS,) if self.lists is not None and not self.lists.known else ()

    def decide(self, score: float, model: LoadedModel, request: ScoreRequest) -> Decided:
        """The decision about a transaction with that score."""
        return decide(
            score,
            review=model.review,
            decline=model.decline,
            listed=self._listed(request),
            random_approvals=self.random_approvals,
            transaction_id=request.transaction_id,
            amount_minor=request.amount_minor,
        )

    def decide_unavailable(self, declared: Decision, request: ScoreRequest) -> Decided:
        """The decision where no model can be had."""
        return decide_unavailable(declared, self._listed(request))

    def _listed(self, request: ScoreRequest) -> Rule | None:
        return None if self.lists is None else self.lists.listed(request.entities, time.time())


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages between parsing and answering that a detector may have."""

    kept: Keeping | None = None
    records: Records | None = None
    claims: Claiming | None = None
    rules: Rules | None = None


PLAIN = Stages()
"""A model, and nothing besides."""
