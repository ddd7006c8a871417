"""Conditions as a small library: set them, see what flipped. It knows nothing of fraud.

A `Finding` is what one check found; a condition's checks are a chain of functions of which the
first that finds something wins, so each reason comes from exactly one function. The time of a
condition moves when its status flips, and not when only its message changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

Status = Literal["True", "False", "Unknown"]
C = TypeVar("C")

_LONGEST_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition's status, why, and what to do next. A reason is one CamelCase word."""

    status: Status
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Flip:
    """A condition whose status or reason is another than before (None where it is new)."""

    type: str
    before: Finding | None
    now: Finding


Check = Callable[[C], Finding | None]


def first(checks: Sequence[Check[C]], context: C) -> Finding:
    """What the first check that has something to say found. The last one always has to."""
    for check in checks:
        found = check(context)
        if found is not None:
            return found
    raise AssertionError("the last check of a chain must always find something")


def previous(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Conditions of a status by type."""
    return {condition["type"]: condition for condition in conditions}


def holds(conditions: Iterable[Mapping[str, Any]], type_: str, generation: int) -> bool:
    """Whether the condition is True, and says so of that generation."""
    condition = previous(conditions).get(type_, {})
    return condition.get("status") == "True" and condition.get("observedGeneration") == generation


def settle(
    before: Iterable[Mapping[str, Any]],
    found: Mapping[str, Finding],
    generation: int,
    now: datetime,
) -> tuple[list[dict[str, Any]], list[Flip]]:
    """The new conditions, in the order of `found`, and what flipped; a type not found goes."""
    known = previous(before)
    conditions, flips = [], []
    for type_, finding in found.items():
        old = known.get(type_)
        flipped = old is None or old.get("status") != finding.status
        conditions.append(
            {
                "type": type_,
                "status": finding.status,
                "observedGeneration": generation,
                "lastTransitionTime": timestamp(now)
                if flipped or old is None
                else old["lastTransitionTime"],
                "reason": finding.reason,
                "message": finding.message[:_LONGEST_MESSAGE],
            }
        )
        if flipped or (old is not None and old.get("reason") != finding.reason):
            flips.append(Flip(type_, _finding(old), finding))
    return conditions, flips


def _finding(condition: Mapping[str, Any] | None) -> Finding | None:
    if condition is None:
        return None
    return Finding(condition["status"], condition.get("reason", ""), condition.get("message", ""))


def timestamp(moment: datetime) -> str:
    """As Kubernetes writes a time: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
