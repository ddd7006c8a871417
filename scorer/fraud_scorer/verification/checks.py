"""What a proven model does with transactions: whether each gets a probability, and how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress

from fraud_scorer.artifact.manifest import Manifest, Value
from fraud_scorer.engine import Model, RowError
from fraud_scorer.verification.refusal import Refusal
from fraud_scorer.verification.sample import Transaction

MOST_ROWS = 2000
_LEAST_ROWS = 50
_SECONDS = 6.0  # about as long as all rows may take together
_TIMED_ROWS = 200
_TIMES = 3


def worst_difference(model: Model, manifest: Manifest) -> float:
    """Between golden scores here and where they were published."""
    return max(abs(_score(model, one.features) - one.score) for one in manifest.golden)


def milliseconds(model: Model, rows: Sequence[Transaction]) -> float:
    """How long a score takes this processor: of each row the best of a few times, so that what else
    the machine does is left out, and of these the median."""
    names = [one.name for one in model.inputs]
    began = time.monotonic()
    taken = []
    for transaction in rows[:_TIMED_ROWS]:
        row = [transaction[name] for name in names]
        taken.append(min(_seconds(model, row) for _ in range(_TIMES)))
        if time.monotonic() - began > _SECONDS:
            break
    return statistics.median(taken) * 1000


def _seconds(model: Model, row: Sequence[Value]) -> float:
    before = time.thread_time_ns()
    with suppress(RowError):
        model.score_one(row)
    return (time.thread_time_ns() - before) / 1e9


def require_speed(taken: float, most: float | None) -> None:
    """Raise Refusal where a score takes more than that many milliseconds."""
    if most is not None and taken > most:
        raise Refusal(
            "TooSlow",
            f"a score takes {taken:.3g} ms of CPU time (the median), and"
            f" spec.model.verification.maxScoreMilliseconds allows {most:g}: publish a smaller"
            " model, or allow more",
            expected=f"at most {most:g} ms",
            actual=f"{taken:.3g} ms",
        )


def affordable(taken: float) -> int:
    """How many rows can be tried of a model that takes so many milliseconds."""
    return max(_LEAST_ROWS, min(MOST_ROWS, int(_SECONDS * 1000 / max(taken, 1e-6))))


def scores(model: Model, manifest: Manifest, rows: Sequence[Transaction]) -> list[float]:
    """The scores of rows that the manifest allows.

    Raises Refusal where one has none, or none from 0 to 1, or where all are the same although
    those of the golden transactions are not.
    """
    found = [_sane(model, row, place) for place, row in enumerate(rows)]
    known = {golden.score for golden in manifest.golden}
    if len(rows) > 1 and len(set(found)) == 1 and len(known) > 1:
        raise Refusal(
            "ScoresInvalid",
            f"each of {len(rows)} sampled transactions scores {found[0]!r}: the model does not look"
            " at its inputs any more; train it anew, and publish it under a new version",
            expected="different scores",
            actual=repr(found[0]),
        )
    return found


def _sane(model: Model, row: Transaction, place: int) -> float:
    try:
        score = _score(model, row)
    except RowError as error:
        raise _insane(f"cannot be scored ({error})", place, str(error)) from error
    if not 0 <= score <= 1:
        raise _insane(f"scores {score!r}", place, repr(score))
    return score


def _insane(what: str, place: int, actual: str) -> Refusal:
    return Refusal(
        "ScoresInvalid",
        f"sampled transaction {place} {what} although the manifest allows it: train the model anew,"
        " or narrow the ranges of its features, and publish it under a new version",
        expected="a score from 0 to 1",
        actual=actual,
    )


def _score(model: Model, row: Transaction) -> float:
    return model.score_one([row[one.name] for one in model.inputs])
