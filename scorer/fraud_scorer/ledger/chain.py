"""Hashes that link entries: each covers its own bytes and the hash before it.

So no entry can be changed, removed, added or moved without changing every hash after it. The first
one hangs on the name of its chain, so that no chain can pass for another.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

HASH_BYTES = 32


class Link(NamedTuple):
    """An entry in its place. `beside` is salt and personal data, empty where there is none."""

    sequence: int
    body: bytes
    beside: bytes
    hash: bytes


def new_chain() -> UUID:
    """A name that nobody had before; names sort by time (a UUID of version 8)."""
    millis = time.time_ns() // 1_000_000 & (1 << 48) - 1
    return UUID(
        int=millis << 80 | 8 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    )


def began_at(chain: UUID) -> datetime:
    """The time in its name."""
    return datetime.fromtimestamp((chain.int >> 80) / 1000, UTC)


def origin(chain: UUID) -> bytes:
    """What stands before the first entry."""
    return hashlib.sha256(b"fraudops ledger\n" + chain.bytes).digest()


def link(previous: bytes, body: bytes) -> bytes:
    """The hash of an entry after that one."""
    return hashlib.sha256(previous + body).digest()
