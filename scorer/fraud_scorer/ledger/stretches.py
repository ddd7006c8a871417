"""Consecutive links of a chain, as they are delivered together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from uuid import UUID

from fraud_scorer.ledger.chain import Link, link, origin
from fraud_scorer.ledger.entries import Began, Entry, encode


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive links of one chain, at least one."""

    chain: UUID
    previous: bytes
    """The hash before the first of them."""
    links: Sequence[Link]

    @property
    def first(self) -> int:
        """The sequence of the first one."""
        return self.links[0].sequence


def stretch_of(
    chain: UUID, said: Sequence[Entry], *, first: int = 0, previous: bytes | None = None
) -> Stretch:
    """These entries in their places, with nothing personal beside; from the chain's beginning, or
    after that hash."""
    links, last = [], origin(chain) if previous is None else previous
    begins_after = last
    for sequence, entry in enumerate(said, start=first):
        body = encode(entry)
        last = link(last, body)
        links.append(Link(sequence, body, b"", last))
    return Stretch(chain, begins_after, links)


def began_by_nobody(chain: UUID) -> Began:
    """How a chain begins that is no serving process's."""
    return Began(datetime.now(UTC), str(chain), "", "", software())


@cache
def software() -> str:
    """Who writes entries."""
    return f"fraudops {version('fraudops')}"
