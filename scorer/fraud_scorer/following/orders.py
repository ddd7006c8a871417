"""What the parent tells its serving processes, and what they tell it of the models they hold.

Orders say everything each time, so that the last ones count and none before them matter. A process
obeys at once as far as it can, and says so by their number; loading goes on behind that.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fraud_scorer.artifact.plan import Decision, PlannedModel
from fraud_scorer.registry.refusal import Verdict


class Hold(Struct, frozen=True):
    """A revision to be held, and where its files are. Another `attempt` is another try of a process
    that could not use them."""

    model: PlannedModel
    manifest_file: str
    model_file: str
    attempt: int = 0


class Answering(Struct, frozen=True, kw_only=True):
    """Who answers, by revision; empty: nobody."""

    active: str = ""
    fallback: bool = False
    """Whether that one only stands in for the plan's active one."""
    candidate: str = ""
    share: int = 0
    shadow: bool = False
    last_known_good: str = ""
    when_unavailable: Decision | None = None

    @property
    def answers(self) -> bool:
        """Whether transactions get an answer."""
        return bool(self.active) or self.when_unavailable is not None


class Orders(Struct, frozen=True, kw_only=True):
    """All that a serving process is to do about models."""

    number: int
    detector: str
    answering: Answering
    hold: tuple[Hold, ...]
    """The most urgent first."""


class Holding(Struct, frozen=True, kw_only=True):
    """A revision in one process. `Failed` is trouble with its files that is no verdict."""

    revision: str
    attempt: int
    state: Literal["Queued", "Loading", "Proven", "Refused", "Failed"]
    verdict: Verdict | None = None
    message: str = ""


class Following(Struct, frozen=True, kw_only=True, tag="following"):
    """A process obeys the orders of that number; `held` is all that it was told to hold. `armed`:
    it had all that it needs to answer, so it listens, or is about to."""

    number: int
    armed: bool
    held: tuple[Holding, ...]
