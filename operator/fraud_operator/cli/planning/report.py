"""What a plan found, as data: what `-o json` prints, and what the text is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fraud_operator.cli.exits import Exit
from fraud_operator.cli.planning.differences import Difference

Action = Literal["create", "change", "remove", "none", "refused"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one object."""

    kind: str
    name: str
    action: Action
    fields: Sequence[Difference] = ()
    checked: bool = True
    """Whether the API server was asked. Where it was not, `message` says why."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pods:
    """What becomes of the pods there are."""

    restart: Sequence[str] = ()
    because: Sequence[str] = ()
    """Fields of the template, each with what it means where that is more than the field."""
    wanted_before: int | None = None
    wanted_after: int | None = None
    """None where there is no Deployment."""
    autoscaler: tuple[int, int] | None = None
    """Fewest and most pods, where an autoscaler decides from then on."""


@dataclass(frozen=True, slots=True)
class Report:
    """The plan of one FraudDetector."""

    namespace: str
    name: str
    resource: Change
    children: Sequence[Change] = ()
    pods: Pods = Pods()
    models: Sequence[str] = ()
    """What becomes of what answers: sentences."""
    problems: Sequence[str] = ()
    """Why the operator could not do it, or not all of it."""
    assumed: Sequence[str] = ()
    """What the plan rests upon and could not be found out."""
    notes: Sequence[str] = ()

    @property
    def changes(self) -> list[Change]:
        """Everything that would not stay as it is."""
        return [one for one in (self.resource, *self.children) if one.action != "none"]

    @property
    def verdict(self) -> Exit:
        """The exit status."""
        if self.problems:
            return Exit.ERROR
        return Exit.FOUND if self.changes else Exit.OK

    def as_json(self) -> dict[str, Any]:
        """As docs/kubectl-fraud.md describes it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "result": {Exit.OK: "unchanged", Exit.FOUND: "changes"}.get(self.verdict, "problems"),
            "resource": asdict(self.resource),
            "children": [asdict(child) for child in self.children],
            "pods": asdict(self.pods),
            "models": list(self.models),
            "problems": list(self.problems),
            "assumed": list(self.assumed),
            "notes": list(self.notes),
        }
