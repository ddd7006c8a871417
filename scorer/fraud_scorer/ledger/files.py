"""Things of one kind in a file: CSV with a header (*.csv), or a JSON object a line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)
Fields = dict[str, Any]


class WrongLine(ValueError):
    """A line that cannot be taken; the message says where, and what is wrong."""


def read(
    path: Path, kind: type[T], check: Callable[[T], None], *,
    from_csv: Callable[[Fields], Fields] = lambda fields: fields,
) -> Iterator[T]:  # fmt: skip
    """What is in it. `check` raises WrongLine for what contradicts itself; `from_csv` makes values
    out of the texts that CSV has. Raises WrongLine, naming file and line, and OSError."""
    names = kind.__struct_fields__
    lines = _csv(path, names, from_csv) if path.suffix == ".csv" else _json(path)
    for number, fields in lines:
        try:
            one = msgspec.convert(fields, kind, strict=False)
            check(one)
        except (msgspec.ValidationError, WrongLine) as error:
            raise WrongLine(f"{path}:{number}: {error}") from None
        yield one


def _csv(
    path: Path, names: tuple[str, ...], from_csv: Callable[[Fields], Fields]
) -> Iterator[tuple[int, object]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if set(rows.fieldnames or ()) != set(names):
            raise WrongLine(f"{path}:1: the header is to name exactly {', '.join(names)}")
        for row in rows:
            if None in row or None in row.values():
                raise WrongLine(f"{path}:{rows.line_num}: it has not as many fields as the header")
            yield rows.line_num, from_csv(row)


def _json(path: Path) -> Iterator[tuple[int, object]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise WrongLine(f"{path}:{number}: {error}") from None
