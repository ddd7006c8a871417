"""The files of the spool, byte by byte.

    segment = header | frame | frame | … | zeros
    header  = magic, chain, number, first sequence, the hash before it
    frame   = sizes of body and beside (4 bytes each) | hash | body | beside, padded to 8 bytes

A segment is a file of a fixed size, mapped into the memory of the one process that writes it: an
append is a copy of some hundred bytes, and what was copied is the kernel's, whatever becomes of the
process. The sizes are written last, so a frame that was broken off was never there. After a crash
of the machine a frame may have kept its sizes and lost bytes; its hash tells.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from fraud_scorer.ledger.chain import HASH_BYTES, Link, link
from fraud_scorer.ledger.entries import commitment

_HEADER = struct.Struct("<8s16sIxxxxQ32s")
_MAGIC = b"FRLEDG1\n"
HEADER_BYTES = _HEADER.size
SIZES = struct.Struct("<II")
BEFORE_BODY = SIZES.size + HASH_BYTES
PADDED_TO = 8
_COMMITS = b'"personal":"'
"""Only an entry that commits to something has these bytes: in a string of JSON they are escaped."""

OPEN, CLOSED = ".open", ".seg"
"""Suffixes of a segment that is being written, and of one that is complete and cut to length."""


class Header(NamedTuple):
    """What a segment says of itself."""

    chain: UUID
    number: int
    first: int
    previous: bytes
    """The hash of the entry before `first`."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a stretch of a segment."""

    links: list[Link]
    used: int
    """Bytes of the stretch that hold them."""
    torn: bool
    """Whether a frame follows that is not whole, or was damaged."""


def file_name(number: int, suffix: str) -> str:
    """The name of a segment within its chain's folder."""
    return f"{number:08d}{suffix}"


def pack_header(header: Header) -> bytes:
    """The bytes of a header."""
    return _HEADER.pack(_MAGIC, header.chain.bytes, header.number, header.first, header.previous)


def read_header(data: bytes) -> Header | None:
    """None where nothing was written yet. Raises ValueError where this is no segment."""
    if len(data) < HEADER_BYTES or not any(data[: len(_MAGIC)]):
        return None
    magic, chain, number, first, previous = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("not a segment of a spool, or one of another release")
    return Header(UUID(bytes=chain), number, first, previous)


def scan(data: bytes, sequence: int, previous: bytes, *, complete: bool) -> Scan:
    """The links in `data`, of which the first is to have that sequence, after that hash.

    `complete`: nothing comes after `data`; otherwise a frame that reaches beyond it is not torn,
    there is only more to read.
    """
    links: list[Link] = []
    at, end = 0, len(data)
    while at + BEFORE_BODY <= end:
        body_size, beside_size = SIZES.unpack_from(data, at)
        if body_size == 0:
            return Scan(links, at, torn=any(data[at : at + BEFORE_BODY]))
        body_at = at + BEFORE_BODY
        beside_at = body_at + body_size
        after = beside_at + beside_size
        if after > end:
            return Scan(links, at, torn=complete)
        body = data[body_at:beside_at]
        beside = data[beside_at:after]
        digest = link(previous, body)
        if digest != data[at + SIZES.size : body_at] or not _is_committed(body, beside):
            return Scan(links, at, torn=True)
        links.append(Link(sequence, body, beside, digest))
        sequence, previous = sequence + 1, digest
        at = after + -after % PADDED_TO
    return Scan(links, min(at, end), torn=False)


def _is_committed(body: bytes, beside: bytes) -> bool:
    """Whether an entry has beside it what it commits to, and nothing where it does not."""
    return commitment(beside).encode() in body if beside else _COMMITS not in body
