"""Text for a terminal: colours where there is one, trees, and tables.

Colour is for people only: never in a pipe, and never where NO_COLOR is set (https://no-color.org).
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

_CODES = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "bold": "1"}


@dataclass(frozen=True, slots=True)
class Style:
    """Marks up text by what it means; does nothing where colours are off."""

    enabled: bool = False

    def good(self, text: str) -> str:
        """As it should be."""
        return self._marked("good", text)

    def warn(self, text: str) -> str:
        """Worth a look."""
        return self._marked("warn", text)

    def bad(self, text: str) -> str:
        """Wrong."""
        return self._marked("bad", text)

    def dim(self, text: str) -> str:
        """Beside the point."""
        return self._marked("dim", text)

    def bold(self, text: str) -> str:
        """A heading."""
        return self._marked("bold", text)

    def _marked(self, meaning: str, text: str) -> str:
        return f"\x1b[{_CODES[meaning]}m{text}\x1b[0m" if self.enabled and text else text


def style_for(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Colours for a terminal that can show them to somebody who has not said no."""
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Style(wanted and stream.isatty())


@dataclass(slots=True)
class Tree:
    """A line and what hangs on it."""

    text: str
    branches: list[Tree] = field(default_factory=list)

    def add(self, text: str) -> Tree:
        """One more branch, which may get branches of its own."""
        branch = Tree(text)
        self.branches.append(branch)
        return branch

    def lines(self) -> Iterator[str]:
        """As it is printed. A text of several lines stays below its own branch."""
        first, *rest = self.text.split("\n")
        yield first
        yield from (("│  " if self.branches else "   ") + line for line in rest)
        for number, branch in enumerate(self.branches, start=1):
            last = number == len(self.branches)
            head, *body = branch.lines()
            yield ("└─ " if last else "├─ ") + head
            yield from (("   " if last else "│  ") + line for line in body)


def columns(rows: Iterable[Sequence[str]], *, gap: int = 2, most: int = 200) -> list[str]:
    """Rows as lines with aligned columns, none made wider than `most` by a longer text. Texts are
    given without colours."""
    rows = [list(row) for row in rows]
    widths: dict[int, int] = {}
    for row in rows:
        for at, cell in enumerate(row):
            widths[at] = min(max(widths.get(at, 0), width(cell)), most)
    return [
        "".join(_padded(cell, widths[at], gap) for at, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _padded(cell: str, wide: int, gap: int) -> str:
    return cell + " " * (max(wide - width(cell), 0) + gap)


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def printable(text: str) -> str:
    """The text without control characters: what an object says must not steer the terminal."""
    return "".join(
        one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text
    )


def show(lines: Iterable[str]) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
