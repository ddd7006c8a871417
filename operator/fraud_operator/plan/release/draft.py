"""A decision in the making: what its steps hand on to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from msgspec import structs

from fraud_operator.plan.release.ledger import Ledger
from fraud_operator.plan.release.pods import Pods
from fraud_operator.plan.release.record import Entry, Hold, Record
from fraud_operator.plan.release.rules import ReleaseRules
from fraud_operator.plan.release.verifications import stamped
from fraud_operator.plan.release.versions import is_same_model, source_of
from fraud_operator.plan.types import Event
from fraud_scorer.artifact.plan import ModelPlan, PlannedModel


@dataclass(slots=True)
class Draft:
    """What is decided so far; `before` is the plan that pods were told last."""

    now: datetime
    rules: ReleaseRules
    before: ModelPlan | None
    pods: Pods
    record: Record
    ledger: Ledger
    active: PlannedModel | None
    history: tuple[PlannedModel, ...]
    """Revisions that were active, the newest first."""
    events: list[Event] = field(default_factory=list)
    withdraws: bool = False
    """Whether something is taken back that pods may still answer with."""
    why: str = ""
    """Why another revision became active."""
    waiting: str = ""
    asks: str = ""
    """What a person is asked to decide about the active revision."""

    @property
    def at(self) -> str:
        """The time of this decision."""
        return stamped(self.now)

    @property
    def served(self) -> tuple[PlannedModel, ...]:
        """Every revision that is, or was, active, as far as is known."""
        last = self.before.last_known_good if self.before is not None else None
        now = (self.active, last, *self.history)
        return tuple(dict.fromkeys(one for one in now if one is not None))

    @property
    def known(self) -> tuple[PlannedModel, ...]:
        """Every revision that is, or was, planned."""
        planned = self.before.models if self.before is not None else ()
        return tuple(dict.fromkeys((*self.served, *planned)))

    def tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Record an Event, once this is written."""
        self.events.append(Event(kind, reason, message))

    def forbidden(self, model: PlannedModel) -> Entry | None:
        """The entry that forbids a revision."""
        source = source_of(self.record, model)
        return self.ledger.forbids(model.version, model.digest, source)

    def refuse(self, model: PlannedModel, reason: str, message: str) -> None:
        """Put a revision's bytes into quarantine; where they are those that serve well, only this
        publication of them; where that is what serves, it is held back."""
        active = self.active
        serves = active is not None and active.digest == model.digest and active != model
        if active is not None and serves and is_same_model(active, model):
            self.hold(active, against=model, by="the operator", reason=f"{reason}: {message}")
            return
        entry = Entry(
            digest=model.digest,
            version=model.version,
            reason=reason,
            message=message,
            since=self.at,
            source=source_of(self.record, model),
            about_version=serves,
        )
        self.ledger = self.ledger.refuse(entry)

    def hold(self, model: PlannedModel, *, against: PlannedModel, by: str, reason: str) -> None:
        """Stay at, or go back to, `model` until something else than `against` is wanted."""
        hold = Hold(model=model, against=against, at=self.at, by=by, reason=reason)
        self.record = structs.replace(self.record, hold=hold)

    def drop_trial(self) -> None:
        """Without the candidate."""
        self.record = structs.replace(self.record, trial=None)

    def good(self) -> tuple[PlannedModel, ...]:
        """What there is to go back to, the best first: what served last and was not gone back from,
        then whatever is not refused."""
        last = self.before.last_known_good if self.before is not None else None
        known = [*([last] if last is not None else []), *self.history]
        hold = self.record.hold
        free = [one for one in known if self.forbidden(one) is None]
        if hold is None:
            return tuple(free)
        left = [one for one in free if is_same_model(one, hold.against)]
        return (*(one for one in free if one not in left), *left)
