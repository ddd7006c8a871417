"""What scorer pods say, put together: who holds what, who refuses it, and who follows the plan.

A pod that cannot hold what its siblings hold has trouble of its own; where most pods refuse, that
is a verdict on the bytes. A pod is only heard about the plan that it was told last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fraud_operator.plan.types import PodState
from fraud_scorer.artifact.plan import ModelPlan, PlannedModel
from fraud_scorer.artifact.report import Counts, Held, added

BLOB_REASONS = frozenset({"DigestMismatch", "FileMissing"})
"""The bytes that a pod got are not those that were proven; the proven ones are none the worse."""

SILENT_SECONDS = 1.0
"""A pod that has not answered for so long is not waited for where somebody goes back."""

_OWN_REASONS = frozenset({"FormatMismatch", "ManifestInvalid"})
"""A pod whose image does not know the format; the proven bytes are none the worse."""


@dataclass(frozen=True, slots=True)
class Pods:
    """All pods of a detector, and the plan that they are to follow."""

    states: Sequence[PodState]
    plan: ModelPlan | None
    heard: Sequence[PodState] = field(init=False)
    """Those that follow the plan."""

    def __post_init__(self) -> None:
        serial = self.plan.serial if self.plan is not None else 0
        heard = [one for one in self.states if one.report and one.report.serial == serial]
        object.__setattr__(self, "heard", tuple(heard) if serial else ())

    @property
    def serial(self) -> int:
        """The greatest that any pod ever confirmed."""
        return max((one.report.serial for one in self.states if one.report), default=0)

    def held(self, model: PlannedModel) -> Iterator[tuple[PodState, Held]]:
        """What each pod that follows the plan says of this revision."""
        for pod in self.heard:
            for one in pod.report.held if pod.report else ():
                if one.revision == model.revision:
                    yield pod, one

    def verdict(self, model: PlannedModel) -> Held | None:
        """A refusal on which most of all pods agree."""
        refusals = [
            one
            for _, one in self.held(model)
            if one.state == "Refused" and one.reason not in BLOB_REASONS | _OWN_REASONS
        ]
        return refusals[0] if 2 * len(refusals) > len(self.states) else None

    def unheld(self, model: PlannedModel) -> Held | None:
        """What pods say where no pod holds it, and none of them ever can: its bytes are gone."""
        gone = [one for _, one in self.held(model) if _is_gone(one)]
        return gone[0] if gone and len(gone) == len(self.states) else None

    def gone(self, model: PlannedModel) -> bool:
        """Whether any pod got other bytes than those that were proven, or none."""
        return any(_is_gone(one) for _, one in self.held(model))

    def unfit(self, model: PlannedModel) -> tuple[PodState, Held] | None:
        """A pod that refuses what is no verdict, or not yet."""
        refusing = [(pod, one) for pod, one in self.held(model) if one.state == "Refused"]
        return min(refusing, key=lambda both: both[0].name) if refusing else None

    def all_hold(self, model: PlannedModel, *, but_silent: bool = False) -> bool:
        """Whether every pod that answers (or, where none does, every pod) has proven it.

        `but_silent`: those that cannot be reached are not waited for.
        """
        concerned = [
            pod
            for pod in self._concerned()
            if not (but_silent and pod.unreached_seconds >= SILENT_SECONDS)
        ]
        proven = {pod.uid for pod, one in self.held(model) if one.state == "Proven"}
        return bool(concerned) and all(pod.uid in proven for pod in concerned)

    def any_holds(self, model: PlannedModel) -> bool:
        """Whether any pod has proven it."""
        return any(one.state == "Proven" for _, one in self.held(model))

    def waiting_for(self, model: PlannedModel) -> str:
        """Why not all hold it yet, in words that do not change while nothing happens; empty while
        that is only a matter of a moment."""
        if not self.states:
            return "there are no pods to prove it"
        said = {pod.uid: one for pod, one in self.held(model)}
        for pod in sorted(self._concerned(), key=lambda one: one.name):
            one = said.get(pod.uid)
            if one is None and pod.problem:
                return f"pod {pod.name} is not reached: {pod.problem}"
            if one is not None and one.state in ("Refused", "Waiting"):
                return f"pod {pod.name} cannot hold it: {one.reason}: {described(one)}"
        return ""

    def counts(self, model: PlannedModel) -> Counts:
        """How it did in all pods, since they follow the plan."""
        return added(tuple(one.counts for _, one in self.held(model) if one.counts is not None))

    def _concerned(self) -> Sequence[PodState]:
        return [one for one in self.states if one.ready] or self.states


def _is_gone(held: Held) -> bool:
    return held.state in ("Refused", "Waiting") and held.reason in BLOB_REASONS


def described(held: Held) -> str:
    """What is wrong, with the file, what was expected and what came."""
    if all(part in held.message for part in (held.file, held.expected, held.actual)):
        return held.message
    compared = f"{held.file}: expected {held.expected}, found {held.actual}"
    return f"{compared}. {held.message}" if held.message else compared
