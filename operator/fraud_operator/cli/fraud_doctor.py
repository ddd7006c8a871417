"""`kubectl fraud doctor`: what cluster, installation and detectors lack, and what to do."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import get_args

from fraud_operator.cli.access import access
from fraud_operator.cli.doctor.check import Level
from fraud_operator.cli.doctor.facts import gather
from fraud_operator.cli.doctor.registry import Item, examine
from fraud_operator.cli.exits import Exit
from fraud_operator.cli.terminal import Style, printable, show, style_for

_LEVELS: tuple[Level, ...] = get_args(Level)


async def run(arguments: argparse.Namespace) -> int:
    """Examine everything. Raises Failure."""
    async with access(arguments) as api:
        items = list(examine(await gather(api, arguments)))
    if arguments.output == "json":
        json.dump(as_json(items), sys.stdout, indent=2)
        print()
    else:
        show(lines(items, style_for(sys.stdout, os.environ)))
    return Exit.FOUND if any(item.finding.level == "fail" for item in items) else Exit.OK


def as_json(items: Sequence[Item]) -> dict[str, object]:
    """As docs/kubectl-fraud.md describes it."""
    counts = Counter(item.finding.level for item in items)
    return {
        "summary": {level: counts[level] for level in _LEVELS},
        "items": [
            {
                "check": item.check,
                "title": item.title,
                "detector": item.detector,
                **asdict(item.finding),
            }
            for item in items
        ],
    }


def lines(items: Sequence[Item], style: Style) -> Iterator[str]:
    """As a person reads it."""
    paint = {"ok": style.good, "warn": style.warn, "fail": style.bad, "skip": style.dim}
    wide = max(len(item.title) for item in items)
    for group, of_group in groupby(items, key=lambda item: item.group):
        yield style.bold(group)
        for item in of_group:
            found = item.finding
            mark = paint[found.level](f"{found.level:<4}")
            yield f"  {mark}  {item.title:<{wide}}  {printable(found.message)}"
            if found.todo:
                yield f"  {'':<4}  {'':<{wide}}  {style.dim('→ ' + printable(found.todo))}"
        yield ""
    counts = Counter(item.finding.level for item in items)
    yield style.bold(", ".join(f"{counts[level]} {level}" for level in _LEVELS))
