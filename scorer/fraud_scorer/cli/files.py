"""What several commands read from files: features, and rows of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fraud_scorer.artifact.manifest import Feature, Value


class WrongFile(ValueError):
    """A file that cannot be read as what it is to be; the message names it, and the line."""


def features(path: Path) -> list[Feature]:
    """A JSON list of features, in the model's order. Raises WrongFile."""
    found: list[Feature] = json(path, list[Feature])
    return found


def rows(path: Path) -> list[dict[str, Value]]:
    """The rows of a file with a JSON object a line. Raises WrongFile."""
    found = []
    for number, line in enumerate(read(path).splitlines(), start=1):
        if line.strip():
            found.append(decoded(line, dict[str, Value], f"{path}:{number}"))
    return found


def json(path: Path, wanted: Any) -> Any:
    """A JSON file as that type. Raises WrongFile."""
    return decoded(read(path), wanted, path)


def read(path: Path) -> bytes:
    """All of a file. Raises WrongFile."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongFile(f"{path}: {error.strerror}") from None


def decoded(data: bytes, wanted: Any, where: object) -> Any:
    """JSON as that type. Raises WrongFile, naming `where`."""
    try:
        return msgspec.json.decode(data, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WrongFile(f"{where}: {error}") from None
