"""What was refused, and what is therefore never tried again: the union of the operator's record and
of the store's ledger, which outlives the detector and is shared by all that use the store.

An entry forbids bytes under whatever name. Where a version's bytes are not those that its manifest
states, or where these very bytes were proven before, it forbids only what was published with that
source: a forged manifest cannot take down what serves. Only a person releases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msgspec import structs

from fraud_operator.plan.release.record import MOST_QUARANTINED, Entry, Release

ABOUT_VERSION = frozenset(
    {
        "DigestMismatch",
        "FileMissing",
        "InputsChanged",
        "ManifestInvalid",
        "SignatureMissing",
        "SignatureInvalid",
    }
)
"""Reasons that are about how a version was published, and not about what its model computes."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All entries, the latest first; `new` are those that this decision made or released."""

    entries: tuple[Entry, ...] = ()
    new: tuple[Entry, ...] = ()

    @property
    def refused(self) -> tuple[Entry, ...]:
        """What is refused now."""
        return tuple(one for one in self.entries if one.refused)

    def forbids(self, version: str, digest: str, source: str) -> Entry | None:
        """The entry that forbids these bytes, published under that name with that source."""
        return next((one for one in self.refused if _forbids(one, version, digest, source)), None)

    def refuse(self, entry: Entry) -> Ledger:
        """With these bytes refused, unless they are already. Published again in another way under
        the same name, they are refused for that, too."""
        before = self._same(entry)
        if before is None:
            return self._with(entry)
        if not before.refused:
            return self._with(structs.replace(entry, turn=before.turn + 1))
        if before.source == entry.source:
            return self
        narrow = before.about_version and entry.about_version
        return self._with(structs.replace(entry, turn=before.turn + 2, about_version=narrow))

    def release(self, entry: Entry, release: Release) -> Ledger:
        """With this entry released."""
        return self._with(structs.replace(entry, turn=entry.turn + 1, released=release))

    def kept(self, listed: Collection[str]) -> tuple[Entry, ...]:
        """What the record holds: the latest, those first whose digest is in the store or served."""
        if len(self.entries) <= MOST_QUARANTINED:
            return self.entries
        ordered = sorted(
            self.entries, key=lambda one: one.digest not in listed and one not in self.new
        )
        kept = set(map(_name, ordered[:MOST_QUARANTINED]))
        return tuple(one for one in self.entries if _name(one) in kept)

    def unwritten(self, store: Iterable[Entry]) -> tuple[Entry, ...]:
        """What the store's ledger does not have, or has an older turn of."""
        there = {_name(one): one.turn for one in store}
        return tuple(one for one in self.entries if there.get(_name(one), 0) < one.turn)

    def _same(self, entry: Entry) -> Entry | None:
        return next((one for one in self.entries if _name(one) == _name(entry)), None)

    def _with(self, entry: Entry) -> Ledger:
        others = tuple(one for one in self.entries if _name(one) != _name(entry))
        return Ledger((entry, *others), (*self.new, entry))


def union(record: Iterable[Entry], store: Iterable[Entry]) -> Ledger:
    """Of two entries for the same bytes and name, the one of the later turn."""
    latest: dict[tuple[str, str], Entry] = {}
    for one in (*record, *store):
        before = latest.get(_name(one))
        if before is None or before.turn < one.turn:
            latest[_name(one)] = one
    ordered = sorted(latest.values(), key=lambda one: (one.since, one.digest, one.version))
    return Ledger(tuple(reversed(ordered)))


def _name(entry: Entry) -> tuple[str, str]:
    return entry.digest, entry.version


def _forbids(entry: Entry, version: str, digest: str, source: str) -> bool:
    published = bool(source) and entry.version == version and entry.source == source
    return published or (not entry.about_version and entry.digest == digest)
