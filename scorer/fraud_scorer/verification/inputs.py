"""A version's inputs against those of the version that serves now: whether callers can stay as they
are.

A request names every feature that comes in requests, and no other (`registry.inputs`). So whatever
the active version takes, a candidate has to take too, or each of these requests is answered 422
from the moment it takes over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fraud_scorer.artifact.manifest import Feature, Manifest
from fraud_scorer.registry.inputs import sent
from fraud_scorer.verification.refusal import Refusal

_SHOWN = 8
"""Features that a message names; a termination message has little room."""


def require_same(candidate: Manifest, active: Manifest) -> None:
    """Raise Refusal where a request that the active version takes would be refused."""
    found = list(changes(candidate, active))
    if not found:
        return
    shown = _cut([f"{name} {what}" for name, what in found], "; ")
    raise Refusal(
        "InputsChanged",
        f"what callers send to version {active.version} would be refused: {shown}. Publish a model"
        " with the same inputs, or have callers send what this one takes, set"
        " spec.model.verification.allowInputChanges and release the version",
        expected=f"the inputs of {active.version}",
        actual=_cut([name for name, _ in found], ", "),
    )


def changes(candidate: Manifest, active: Manifest) -> Iterator[tuple[str, str]]:
    """Features that the active version takes otherwise than the candidate, and how: each is a
    reason to refuse a request that is taken today. What is wider is none."""
    ours = {one.name: one for one in sent(candidate)}
    theirs = {one.name: one for one in sent(active)}
    for name, feature in ours.items():
        if name not in theirs:
            yield name, "is not sent today"
        elif what := _narrower(feature, theirs[name]):
            yield name, what
    for name in theirs:
        if name not in ours:
            yield name, "is sent today, and would not be taken"


def _narrower(ours: Feature, theirs: Feature) -> str:
    """How a value could be refused that is taken today; empty where none could."""
    if ours.type != theirs.type:
        return f"is a {theirs.type} today, and would have to be a {ours.type}"
    if theirs.nullable and not ours.nullable:
        return "may be null today"
    (low, high), (lowest, highest) = ours.bounds, theirs.bounds
    if low > lowest:
        return f"would have to be at least {low:g}" + _today(theirs.minimum)
    if high < highest:
        return f"would have to be at most {high:g}" + _today(theirs.maximum)
    if ours.categories is None:
        return ""
    if theirs.categories is None:
        return "may be any category today"
    fewer = [one for one in theirs.categories if one not in set(ours.categories)]
    return f"may be {_cut(fewer, ' or ')} today" if fewer else ""


def _today(limit: float | None) -> str:
    return ", and has no such limit today" if limit is None else f", today {limit:g}"


def _cut(texts: Sequence[str], between: str) -> str:
    shown, left = texts[:_SHOWN], len(texts) - _SHOWN
    return between.join(shown) + (f" and {left} more" if left > 0 else "")
