"""What a URL asks besides its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from fraud_scorer.http.asgi import Request
from fraud_scorer.problem import INVALID_QUERY, Problem


def query(request: Request, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The parameters, each read by what is named for it. Raises Problem."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        if name not in known or name in found:
            takes = ", ".join(known)
            raise Problem(INVALID_QUERY, f"This path takes, once each: {takes}; not {name}")
        try:
            found[name] = known[name](value)
        except ValueError as error:
            raise Problem(INVALID_QUERY, f"{name}={value}: {error}") from None
    return found


def moment(text: str) -> datetime:
    """A time with an offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("give a time with an offset, such as 2026-01-05T10:00:00Z")
    return found


def number(least: int, most: int) -> Callable[[str], int]:
    """A whole number in that range."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"give a number from {least} to {most}")
        return int(text)

    return read


def one_of(*values: str) -> Callable[[str], str]:
    """One of these words."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"give {' or '.join(values)}")
        return text

    return read
