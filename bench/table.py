"""Tables that a terminal and a reader of Markdown take alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.goals import Goal

Row = Sequence[str]


def table(rows: Iterable[Row]) -> str:
    """The first row is the head."""
    cells = [list(row) for row in rows]
    widths = [max(3, *(len(row[at]) for row in cells)) for at in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def of_goals(goals: Iterable[Goal]) -> str:
    """What was promised, and whether it holds."""
    rows = [(one.promise, one.measured, "yes" if one.holds else "**no**") for one in goals]
    return table([("goal", "measured", "holds"), *rows])
