"""Play every fault on real servers under load; a table, and as the last line whether all hold.

Exit status: 0 where all hold, 1 where one does not, 2 where nothing could be played.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import machine
from bench.chaos.faults import FULL_AWAY, QUICK, Fault, Scale, faults, needs_small_disk, takes_long
from bench.chaos.ground import Ground, ground
from bench.chaos.outcome import HEAD, Outcome, goals, row
from bench.goals import verdict
from bench.table import of_goals, table
from tests.cluster.progress import say, step

RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play those faults, or all."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given)
    known = dict(faults())
    if unknown := set(options.fault) - known.keys():
        say(f"There is no fault {', '.join(sorted(unknown))}. There are:")
        say("\n".join(f"  {name}" for name in known))
        return 2
    facts = machine.facts("scorer")
    try:
        outcomes, tampered, left_out = play(options.fault or list(known), _scale(options))
    except AssertionError as error:
        say(f"bench.chaos: {error}")
        return 2
    found = list(goals(outcomes, tampered, left_out))
    command = " ".join(["python -m bench.chaos", *given])
    text = "\n\n".join(
        [
            "# Faults of the stores, under load",
            f"Made by `{command}`; bench/README.md says what is done.",
            table([("machine", ""), *facts.items()]),
            table([HEAD, *map(row, outcomes)]),
            of_goals(found),
        ]
    )
    print(text)
    whole = not (options.quick or options.fault)
    (RESULTS / f"chaos{'' if whole else '-quick'}.md").write_text(text + "\n")
    print(verdict(found))
    return 0 if all(goal.holds for goal in found) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    add = parser.add_argument
    add("fault", nargs="*", metavar="FAULT", help="these only")
    add("--quick", action="store_true", help="each for seconds, and without those of a full spool")
    add("--full", action="store_true", help=f"Postgres is away for {FULL_AWAY:.0f} s")
    return parser.parse_args(arguments)


def _scale(options: argparse.Namespace) -> Scale:
    if options.quick:
        return QUICK
    return replace(Scale(), away=FULL_AWAY) if options.full else Scale()


def play(names: Sequence[str], scale: Scale) -> tuple[list[Outcome], str, list[str]]:
    """The outcomes, what `audit verify` found at the end, and what could not be played."""
    known, outcomes, left_out = dict(faults()), [], []
    with ground() as where:
        for name in names:
            if scale is QUICK and takes_long(name):
                continue
            if needs_small_disk(name) and not where.disk.bounded:
                left_out.append(name)
                continue
            outcomes.append(_played(where, name, known[name], scale))
        with step("audit verify"):
            return outcomes, where.verify(), left_out


def _played(where: Ground, name: str, fault: Fault, scale: Scale) -> Outcome:
    began = time.monotonic()
    with step(name):
        played = fault(where, scale)
        outcome = Outcome(name, played, where.kept(played.heard), time.monotonic() - began)
        where.forget()
    for problem in outcome.problems():
        say(f"   NOT: {problem}")
    return outcome
