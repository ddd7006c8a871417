"""What several commands take as arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from fraud_scorer.artifact.manifest import Thresholds


def thresholds(text: str) -> Thresholds:
    """`review=0.5,decline=0.9`, in either order."""
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if parts.keys() != {"review", "decline"} or text.count(",") != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not like review=0.50,decline=0.90")
    try:
        return Thresholds(review=parts["review"].strip(), decline=parts["decline"].strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[HOST]:PORT` for IPv6; port 0 is a free one."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 127.0.0.1:8080")
    return host, int(port)


def seconds(text: str) -> float:
    """A duration that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def moment(text: str) -> datetime:
    """A time, as RFC 3339 writes it."""
    try:
        found: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 2026-01-31T12:00:00Z") from None
    return found


def entity(text: str) -> tuple[str, str]:
    """`KIND=ID`."""
    kind, _, who = text.partition("=")
    if not kind or not who:
        raise argparse.ArgumentTypeError(f"{text!r} is not like customer=c-17")
    return kind, who


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def days(text: str) -> timedelta:
    """A period of days (`90d`) or years (`7y`, of 365 days)."""
    number, each = text[:-1], {"d": 1, "y": 365}.get(text[-1:])
    if each is None or not number.isdecimal() or not 0 < int(number) < 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 90d or 7y")
    return timedelta(days=int(number) * each)


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def changing_days(text: str) -> Callable[[], timedelta]:
    """A period, or a file with one, which may change: what it last said that is one."""
    file = Path(text)
    if not file.is_file():
        fixed = days(text)
        return lambda: fixed
    last = days(file.read_text(encoding="utf-8").strip())

    def now() -> timedelta:
        nonlocal last
        with suppress(OSError, UnicodeDecodeError, argparse.ArgumentTypeError):
            last = days(file.read_text(encoding="utf-8").strip())
        return last

    return now


def days_or_file(text: str) -> str:
    """The same as it was given: what has a slash in it is a file, which may still come."""
    if "/" not in text:
        days(text)
    return text


def size(text: str) -> int:
    """Bytes: a whole number, alone or with Ki, Mi or Gi behind it."""
    number, unit = text.rstrip("KMGi"), text.lstrip("0123456789")
    power = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3}.get(unit)
    if power is None or not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 512Mi or 4Gi")
    return int(number) << 10 * power


def worker(text: str) -> tuple[int, int, int]:
    """`PLACE:MEMORY:CONTROL`: what a serving process gets from its parent."""
    place, memory, control = (int(part) for part in text.split(":"))
    return place, memory, control
