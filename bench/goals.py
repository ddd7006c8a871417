"""A promise, what a run measured of it, and the last line that a benchmark prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One promise."""

    promise: str
    measured: str
    holds: bool


def verdict(goals: Sequence[Goal]) -> str:
    """One line."""
    missed = [f"{goal.promise} ({goal.measured})" for goal in goals if not goal.holds]
    if not missed:
        return f"All {len(goals)} goals hold."
    return f"{len(missed)} of {len(goals)} goals do not hold: " + "; ".join(missed)
