"""What was refused: what is never tried again, and what becomes of a pod's refusal.

A verdict on bytes (they do not load, they compute something else) holds for their digest under
whatever name. Where a version's bytes are not those that its manifest states, the verdict is on
that version alone: the stated bytes, published whole under another name, are none the worse.

There is one exception: a version that this very fleet has proven and serves. When a new pod cannot
load that one, the pod is different, not the bytes, and quarantining would take down what works.
Only when its bytes are gone or changed is the active version refused too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fraud_operator.api.status import MOST_LISTED
from fraud_operator.plan.conditions import timestamp
from fraud_operator.plan.types import Refusal

ABOUT_VERSION = frozenset({"DigestMismatch", "FileMissing", "ManifestInvalid"})
"""Reasons that say that a version's bytes are not what its manifest states."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The entries of `status.model.quarantined`, the latest first, and what is new among them.

    `unfit` are refusals of the active version that blame the pod and not the bytes.
    """

    entries: tuple[Mapping[str, Any], ...]
    new: tuple[Mapping[str, Any], ...] = ()
    unfit: tuple[Refusal, ...] = ()

    def get(self, version: str, digest: str) -> Mapping[str, Any] | None:
        """The entry that forbids these bytes under this name; None where there is none."""
        return next((entry for entry in self.entries if _forbids(entry, version, digest)), None)


def quarantine(
    entries: Iterable[Mapping[str, Any]],
    refusals: Iterable[Refusal],
    *,
    planned: Collection[str],
    active: str,
    listed: Collection[str],
    now: datetime,
) -> Quarantine:
    """Take in what pods refused.

    `planned` are the digests that pods of this detector were ever told to serve, and `active` is
    the one that they serve; a refusal of any other is not ours. `listed` are the digests in the
    store: they are forgotten last.
    """
    known = list(entries)
    new: list[Mapping[str, Any]] = []
    unfit: list[Refusal] = []
    for refusal in refusals:
        said = Quarantine((*new, *known)).get(refusal.version, refusal.digest)
        if refusal.digest not in planned or said is not None:
            continue
        if refusal.digest == active and refusal.reason not in ABOUT_VERSION:
            unfit.append(refusal)
            continue
        new.append(_entry(refusal, now))
    kept = [*new, *known]
    while len(kept) > MOST_LISTED:
        unlisted = [entry for entry in kept if entry["digest"] not in listed]
        kept.remove((unlisted or kept)[-1])
    return Quarantine(tuple(kept), tuple(new), tuple(unfit))


def described(refusal: Refusal) -> str:
    """What is wrong, with the file, what was expected and what came."""
    if all(part in refusal.message for part in (refusal.file, refusal.expected, refusal.actual)):
        return refusal.message
    compared = f"{refusal.file}: expected {refusal.expected}, found {refusal.actual}"
    return f"{compared}. {refusal.message}" if refusal.message else compared


def _forbids(entry: Mapping[str, Any], version: str, digest: str) -> bool:
    about_version = entry["reason"] in ABOUT_VERSION
    return entry["digest"] == digest and (entry["version"] == version or not about_version)


def _entry(refusal: Refusal, now: datetime) -> dict[str, Any]:
    return {
        "digest": refusal.digest,
        "version": refusal.version,
        "reason": refusal.reason,
        "message": described(refusal),
        "since": timestamp(now),
    }
