"""What the event loop pays for a record, in processor time of its own thread.

The pace is that of a busy server, a few dozen answers a turn: the thread that tends the chain has
its part of the core, and an answer is recorded soon after it was made, as it would be there.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench.records import material
from fraud_scorer.ledger.spool import Spool

_BURST, _PAUSE = 50, 0.002


def measure(folder: Path, *, explained: bool, rounds: int) -> float:
    """Microseconds a record: the median of rounds of ten thousand."""
    one = material.writer(Spool(folder, material.SPOOL_BYTES))
    found = []
    for _ in range(rounds):
        spent = 0.0
        for _ in range(10_000 // _BURST):
            made = [material.answer(number, explained=explained) for number in range(_BURST)]
            began = time.thread_time()
            for entry, personal in made:
                one.record(entry, personal)
            spent += time.thread_time() - began
            time.sleep(_PAUSE)
        found.append(spent / 10_000 * 1e6)
    one.close()
    return sorted(found)[len(found) // 2]
