"""Digests of published bytes, and the one JSON spelling over which they are taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

PREFIX = "sha256:"
_CHUNK = 1 << 20


def sha256_hex(data: bytes) -> str:
    """The sha256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> tuple[str, int]:
    """The sha256 (64 hexadecimal digits) and the size in bytes of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def qualified(sha256: str) -> str:
    """The digest with its algorithm before it, as status, plans and answers show it."""
    return PREFIX + sha256


def canonical_json(value: object) -> bytes:
    """The one JSON spelling of `value`: keys sorted, no white space, UTF-8.

    Equal values give equal bytes in every process and version of Python, so that a digest over
    them can stand for the value.
    """
    return msgspec.json.encode(value, order="sorted")
