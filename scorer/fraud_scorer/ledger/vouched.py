"""Rows that an act vouches for: how many they are, and a digest of all that they say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

Detail = dict[str, str | int | float]


def detail(rows: Iterable[Sequence[Any]]) -> Detail:
    """What goes into the act's detail, whatever the order of the rows."""
    lines = sorted(msgspec.json.encode([_plain(value) for value in row]) for row in rows)
    return {"rows": len(lines), "sha256": hashlib.sha256(b"\n".join(lines)).hexdigest()}


def holds(said: Detail, rows: Iterable[Sequence[Any]]) -> bool:
    """Whether these are the rows that the act was about."""
    return {name: said.get(name) for name in ("rows", "sha256")} == detail(rows)


def _plain(value: Any) -> Any:
    """The same text for the same time, whatever zone a connection has."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
