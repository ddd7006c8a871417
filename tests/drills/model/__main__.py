"""Play all cases on a real cluster, print a table, and say as the last line whether all hold.

    python -m tests.drills.model [CASE ...]

Exit status: 0 where all cases hold, 1 where one does not, 2 where no cluster could be had.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

from tests.cluster import ClusterError, ensure
from tests.drills.model.cases import cases
from tests.drills.model.ground import Ground, Outcome
from tests.e2e.bed import installed, made_bed

_ROW = "{:32} {:>9} {:>7} {:>14} {:>11} {:>8} {:>7}  {:5} {}"


def main(names: Sequence[str]) -> int:
    """Play the cases of these names, or all."""
    known = dict(cases())
    if unknown := set(names) - known.keys():
        print(f"There is no case {', '.join(sorted(unknown))}. There are:", *known, sep="\n  ")
        return 2
    try:
        outcomes = _played(names or list(known))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    broken = [one.name for one in outcomes if not one.holds]
    for outcome in outcomes:
        for problem in outcome.problems:
            print(f"{outcome.name}: {problem}")
    total = sum(one.load.answered for one in outcomes)
    print(
        f"model drill: {len(outcomes) - len(broken)} of {len(outcomes)} cases hold,"
        f" {total} requests answered,"
        f" {sum(len(one.load.failed) for one in outcomes)} failed"
        + (f"; NOT: {', '.join(broken)}" if broken else "")
    )
    return 1 if broken else 0


def _played(names: Sequence[str]) -> list[Outcome]:
    known = dict(cases())
    cluster = ensure("node")
    with installed(cluster), made_bed(cluster, f"drill-{secrets.token_hex(3)}") as bed:
        ground = Ground(bed)
        ground.prepare()
        print(_ROW.format(*_HEAD), flush=True)
        outcomes = []
        for name in names:
            outcome = known[name](ground)
            print(_row(outcome), flush=True)
            if not outcome.holds:
                print("\n".join(f"    {one}" for one in outcome.problems), flush=True)
            outcomes.append(outcome)
        return outcomes


_HEAD = (
    "case",
    "requests",
    "failed",
    "by the bad one",
    "withdrawn s",
    "found s",
    "all s",
    "holds",
    "status said",
)


def _row(outcome: Outcome) -> str:
    bad = f"{outcome.bad} (max {outcome.allowed})" if outcome.allowed else str(outcome.bad)
    withdrawn = "" if outcome.withdrawn is None else f"{outcome.withdrawn:.2f}"
    found = "" if outcome.found is None else f"{outcome.found:.1f}"
    return _ROW.format(
        outcome.name,
        outcome.load.answered,
        len(outcome.load.failed),
        bad,
        withdrawn,
        found,
        f"{outcome.stable:.1f}",
        "yes" if outcome.holds else "NO",
        outcome.said[:160],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
