"""What verification can find, and how links that do not fit are told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from fraud_scorer.ledger.chain import link

_MOST_COMPARED = 500
"""Misfits of one chain among which the right order is looked for."""


NO_CHAIN = UUID(int=0)


class Kind(StrEnum):
    """What was done."""

    CHANGED = "Changed"
    REMOVED = "Removed"
    ADDED = "Added"
    REORDERED = "Reordered"
    TRUNCATED = "Truncated"
    MISSING_CHAIN = "MissingChain"
    MISSING_SEAL = "MissingSeal"
    BAD_SEAL = "BadSeal"
    MISSING_SEGMENT = "MissingSegment"
    MISSING_PERSONAL = "MissingPersonal"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was recorded."""

    kind: Kind
    where: str
    """`Postgres` or `archive`, and what in it."""
    chain: UUID
    """`NO_CHAIN` where it is none in particular."""
    sequence: int
    """The first entry concerned; -1 where it is the chain as a whole."""
    message: str

    def __str__(self) -> str:
        if self.chain == NO_CHAIN:
            return f"{self.kind}: {self.where}: {self.message}"
        at = f" entry {self.sequence}" if self.sequence >= 0 else ""
        return f"{self.kind}: {self.where}, chain {self.chain}{at}: {self.message}"


class Placed(NamedTuple):
    """An entry as it was found."""

    sequence: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class _Misfit:
    found: Placed
    previous: bytes


def check_links(
    where: str, chain: UUID, entries: Iterable[Placed], *, first: int, previous: bytes | None
) -> Iterable[Finding]:
    """What is wrong with entries that are to follow each other from `first` on.

    `previous` is the hash before the first one, None where nobody knows it. Each entry is held
    against the hash that is stored of the one before it, so that one change is one finding.
    """
    misfits: list[_Misfit] = []
    for entry in entries:
        if entry.sequence > first:
            yield Finding(
                Kind.REMOVED, where, chain, first,
                f"{_entries(entry.sequence - first)} missing before entry {entry.sequence}",
            )  # fmt: skip
        elif previous is not None and link(previous, entry.body) != entry.hash:
            misfits.append(_Misfit(entry, previous))
        previous, first = entry.hash, entry.sequence + 1
    yield from _told_apart(where, chain, misfits)


def _told_apart(where: str, chain: UUID, misfits: Sequence[_Misfit]) -> Iterable[Finding]:
    compared = misfits[:_MOST_COMPARED]
    for one in misfits:
        moved = any(
            link(one.previous, other.found.body) in (one.found.hash, other.found.hash)
            for other in compared
            if other is not one
        )
        kind = Kind.REORDERED if moved else Kind.CHANGED
        message = (
            "another entry of this chain belongs here"
            if moved
            else "it is not what was recorded after the entry before it"
        )
        yield Finding(kind, where, chain, one.found.sequence, message)


def _entries(count: int) -> str:
    return "one entry is" if count == 1 else f"{count} entries are"
