"""Which transitions are worth an Event: every flip that tells a person something new.

When it becomes ready, that is one Event, which also says what made it so: a detector that comes up
without trouble takes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fraud_operator.plan.conditions import Flip
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.types import Event

_SILENT = frozenset({"Reconciling", "RolloutHealthy"})
"""The first says what the others say, only earlier; each step of a roll-out is told by `decide`."""
_ABNORMAL = frozenset({"Stalled", "Contended", "Suspended", "UpgradeAvailable"})
"""True is what is out of the ordinary."""
_TROUBLE = frozenset({"Stalled", "Contended"})
_CAUSES = frozenset({"ModelVerified", "ScorerAvailable"})
"""What being ready is made of."""
_TAKEN_FOR_GRANTED = frozenset({"ModelStoreReachable"})
"""Not told when it is well from the beginning."""


def events(flips: Sequence[Flip], model: Decision | None = None) -> Iterator[Event]:
    """An Event for each flip that is told, unless what was decided about models tells it."""
    decided = {event.reason for event in model.events} if model is not None else set()
    told = [flip for flip in flips if _is_told(flip) and flip.now.reason not in decided]
    ready = next((flip for flip in told if _is_ready(flip)), None)
    causes = [flip for flip in told if ready and flip.type in _CAUSES and not _is_trouble(flip)]
    for flip in told:
        if flip in causes:
            continue
        message = " ".join(one.now.message for one in (flip, *(causes if flip is ready else ())))
        yield Event("Warning" if _is_trouble(flip) else "Normal", _reason(flip), message)


def _is_ready(flip: Flip) -> bool:
    return flip.type == "Ready" and flip.now.status == "True"


def _is_told(flip: Flip) -> bool:
    if flip.type in _SILENT or flip.now.status == "Unknown":
        return False
    if flip.type == "ModelVerified" and flip.now.status == "True":
        # What became of a version that was being verified is told by what it did then.
        return flip.before is None or flip.before.status == "False"
    if flip.before is not None:
        # Pods that have just been made are as few as none: no news.
        return flip.before.reason != "NoPods" or flip.now.status == "True"
    if flip.type in _ABNORMAL:
        return flip.now.status == "True"
    if flip.type == "ModelVerified":
        return True
    return flip.now.status == "True" and flip.type not in _TAKEN_FOR_GRANTED


def _is_trouble(flip: Flip) -> bool:
    if flip.type in _ABNORMAL:
        return flip.type in _TROUBLE and flip.now.status == "True"
    return flip.now.status == "False"


def _reason(flip: Flip) -> str:
    """The condition's reason, and where that says nothing alone, its name."""
    if flip.type in _ABNORMAL and flip.now.status == "False":
        return f"Not{flip.type}"
    return flip.now.reason
