"""Detectors that the operator leaves alone: suspended ones, and those whose spec it cannot read.

Every child stays exactly as it is; only the status says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fraud_operator.api.frauddetector import InvalidSpec
from fraud_operator.plan import conditions
from fraud_operator.plan.conditions import Finding
from fraud_operator.plan.events import events
from fraud_operator.plan.types import ChildKey, Inputs, Plan


def suspended(inputs: Inputs) -> Plan:
    """The plan of a detector with `spec.suspend`."""
    detector = inputs.detector
    message = (
        "spec.suspend is true: nothing is changed and nothing repaired; what runs goes on."
        " Set it to false to go on."
    )
    found = {
        "Ready": Finding("Unknown", "Suspended", message),
        "Reconciling": Finding("False", "Suspended", message),
        "Stalled": Finding("False", "Suspended", message),
        "Suspended": Finding("True", "Suspended", message),
    }
    return _left_alone(
        detector.status, detector.generation, found, frozenset(inputs.observed.children), inputs.now
    )


def unreadable(obj: Mapping[str, Any], error: InvalidSpec, now: datetime) -> Plan:
    """The plan of an object that `FraudDetector.parse` refused: its children are not even looked
    at, so nothing may be pruned by it."""
    found = {
        "Ready": Finding("False", "InvalidSpec", str(error)),
        "Reconciling": Finding("False", "InvalidSpec", str(error)),
        "Stalled": Finding("True", "InvalidSpec", f"{error}. What runs is left as it is."),
    }
    generation = obj["metadata"].get("generation", 1)
    return _left_alone(obj.get("status") or {}, generation, found, frozenset(), now)


def _left_alone(
    before: Mapping[str, Any],
    generation: int,
    found: dict[str, Finding],
    keep: frozenset[ChildKey],
    now: datetime,
) -> Plan:
    """Conditions that are not among `found` stay as they were, with the generation they saw."""
    old = list(before.get("conditions", ()))
    settled, flips = conditions.settle(old, found, generation, now)
    others = [dict(one) for one in old if one["type"] not in found and one["type"] != "Suspended"]
    status = {
        **before,
        "observedGeneration": generation,
        "conditions": [*settled, *others],
    }
    return Plan(objects=(), status=status, events=tuple(events(flips)), keep=keep)
