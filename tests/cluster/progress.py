"""What a person sees while something takes its time: one line when it starts, one when it ends.

Long steps say every 20 seconds that they are still at work. Lines are written whole and flushed, so
steps that run in parallel threads may interleave but never mix. Nothing here is meant for parsing.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 20.0


def say(text: str) -> None:
    """Write one line to standard error, where progress belongs."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce `what`, then say how many seconds it took, or that it failed."""
    began = time.monotonic()
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            say(f"   … {what} ({time.monotonic() - began:.0f} s so far)")

    say(f"-- {what}")
    threading.Thread(target=heartbeat, daemon=True).start()
    outcome = "failed after"
    try:
        yield
        outcome = "took"
    finally:
        ended.set()
        say(f"   {what}: {outcome} {time.monotonic() - began:.1f} s")
