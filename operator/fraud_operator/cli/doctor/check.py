"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, Union

Level = Literal["ok", "warn", "fail", "skip"]
F = TypeVar("F")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it. Only `ok` may have nothing to do."""

    level: Level
    message: str
    todo: str = ""


def ok(message: str) -> Finding:
    """As production wants it."""
    return Finding("ok", message)


def warn(message: str, todo: str) -> Finding:
    """It works, and something is going to hurt."""
    return Finding("warn", message, todo)


def fail(message: str, todo: str) -> Finding:
    """It does not work."""
    return Finding("fail", message, todo)


def skip(message: str, todo: str = "") -> Finding:
    """Not needed here, or not to be found out."""
    return Finding("skip", message, todo)


@dataclass(frozen=True, slots=True)
class Check(Generic[F]):
    """One question. `id` never changes: scripts go by it."""

    id: str
    title: str
    run: Callable[[F], Finding]


@dataclass(frozen=True, slots=True)
class Denied:
    """The user may not ask; in the API server's words."""

    message: str


Answer = Union[T, Denied, None]  # noqa: UP007 -- mypy takes a generic alias only so
"""What the API server answered; None where there is no such thing."""


def denied(what: str, why: Denied) -> Finding:
    """The finding of a check whose question may not be asked."""
    return skip(
        f"you may not read {what}: {why.message}",
        "ask an administrator to run kubectl fraud doctor",
    )
