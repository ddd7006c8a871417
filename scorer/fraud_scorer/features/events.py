"""What histories are made of: transactions, and what became known later. Times are microseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

MOST = 2**53 - 1
"""The greatest integer that a double holds with all before it, as Redis's scripts count in doubles.
Sums end here."""

ANY = bytes(16)
"""The fingerprint where none was taken."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Transaction(msgspec.Struct, frozen=True):
    """One transaction as far as histories are concerned. Its id is its identity: it counts once."""

    id: str
    time: int
    """When it happened, microseconds since 1970."""
    entities: Mapping[str, str]
    """Kind to id: customer, terminal, ..."""
    amount_minor: int
    currency: str
    mark: bytes = ANY
    """A fingerprint of what was asked under its id, where that is known: what is remembered of one
    transaction is not told to another that has its id."""


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody found out about a transaction, and when. The one observed last counts; of two
    at the same time, the one that says fraud."""

    transaction_id: str
    observed_at: int
    fraud: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """What was said of an entity. Of several under one name the one observed last counts; of those
    observed at the same time, the last."""

    entity: str
    """Its kind."""
    id: str
    name: str
    value: float | str
    observed_at: int


def microseconds(time: datetime) -> int:
    """A time with an offset as microseconds since 1970, which lie from 1970 to 2255."""
    since = time - _EPOCH
    # A division by a timedelta takes twice as long.
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return found if 0 <= found <= MOST else min(max(found, 0), MOST)


def member(entity: str) -> int:
    """An entity's id as `distinct` keeps it: 53 bits, so that a thousand different ones are taken
    for fewer once in 10¹⁰ times."""
    return int.from_bytes(hashlib.blake2b(entity.encode(), digest_size=8).digest()) >> 11
