"""What the event loop pays for a record, in processor time of its own thread.

The pace is that of a busy server, a few dozen answers a turn: the thread that tends the chain has
its part of the core, and an answer is recorded soon after it was made, as it would be there.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from fraud_scorer.ledger.entries import Answered, Personal, Prediction, Reason
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.ledger.writer import Recording, Writer

FEATURES = 20
_BURST, _PAUSE = 50, 0.002
_DIGEST = "sha256:" + "9f" * 32
_WHY = tuple(Reason(f"R{number:02}", "amount", "raises", 0.31) for number in range(4))


def answer(number: int, *, explained: bool) -> tuple[Answered, Personal]:
    """An answer with twenty features; a declined one has four reasons."""
    prediction = Prediction(
        "active", 0.8123, "decline" if explained else "approve", "card-payments", "v1", _DIGEST,
        _WHY if explained else (),
    )  # fmt: skip
    now = datetime.now(UTC)
    entry = Answered(now, f"32035d47-421b-8470-b8a0-{number:012x}", f"tx-{number:012}",
                     (prediction,), "checkout")  # fmt: skip
    personal = Personal(
        now, {"customer": f"c-{number % 50_000}", "terminal": f"t-{number % 1000}"}, 1999, "EUR",
        {f"feature_{at}": at * 1.37 for at in range(FEATURES)},
    )  # fmt: skip
    return entry, personal


def writer(spool: Spool) -> Writer:
    """A process' chain."""
    return Writer(spool, Recording(), detector="bench", pod="bench-1", software="bench")


def measure(folder: Path, *, explained: bool, rounds: int) -> float:
    """Microseconds a record: the median of rounds of ten thousand."""
    one = writer(Spool(folder, 8 << 30))
    found = []
    for _ in range(rounds):
        spent = 0.0
        for _ in range(10_000 // _BURST):
            made = [answer(number, explained=explained) for number in range(_BURST)]
            began = time.thread_time()
            for entry, personal in made:
                one.record(entry, personal)
            spent += time.thread_time() - began
            time.sleep(_PAUSE)
        found.append(spent / 10_000 * 1e6)
    one.close()
    return sorted(found)[len(found) // 2]
