"""What was active: one ControllerRevision each time that a revision became active, with the whole
revision in it (model, thresholds, reasons), so that it can be restored as it was.

They are named NAME-<serial> by the plan that made it active, never change, and the oldest go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata
from fraud_operator.plan.types import ChildKey, Manifested
from fraud_scorer.artifact.plan import PlannedModel

KIND = "ControllerRevision"


@dataclass(frozen=True, slots=True)
class Revision:
    """`model` became active with the plan `serial`."""

    serial: int
    model: PlannedModel
    at: str
    why: str
    """Promoted, RolledBack, FirstVersion, Restored."""


def name(detector: FraudDetector, serial: int) -> str:
    """Name of the ControllerRevision."""
    return f"{detector.name}-{serial}"


def manifest(detector: FraudDetector, revision: Revision) -> Manifested:
    """The ControllerRevision of it."""
    return {
        "apiVersion": "apps/v1",
        "kind": KIND,
        "metadata": metadata(detector, name(detector, revision.serial)),
        "revision": revision.serial,
        "data": {
            "model": msgspec.to_builtins(revision.model),
            "at": revision.at,
            "why": revision.why,
        },
    }


def recorded(children: Mapping[ChildKey, Manifested]) -> tuple[Revision, ...]:
    """What was active, the newest first. One that cannot be read, as a later operator wrote it in
    other words, is left out."""
    found = (_read(obj) for (kind, _), obj in children.items() if kind == KIND)
    known = [one for one in found if one is not None]
    return tuple(sorted(known, key=lambda one: one.serial, reverse=True))


def kept(
    revisions: Iterable[Revision], limit: int, needed: Iterable[PlannedModel | None]
) -> tuple[Revision, ...]:
    """The newest ones, and the newest of each revision that is needed."""
    ordered = list(revisions)
    wanted = {one.revision for one in needed if one is not None}
    newest = {one.model.revision: one.serial for one in reversed(ordered)}
    return tuple(
        one
        for at, one in enumerate(ordered)
        if at < limit or (one.model.revision in wanted and newest[one.model.revision] == one.serial)
    )


def _read(obj: Mapping[str, Any]) -> Revision | None:
    try:
        data = obj["data"]
        return Revision(
            serial=int(obj["revision"]),
            model=msgspec.convert(data["model"], PlannedModel),
            at=str(data["at"]),
            why=str(data["why"]),
        )
    except (msgspec.ValidationError, KeyError, TypeError, ValueError):
        return None
