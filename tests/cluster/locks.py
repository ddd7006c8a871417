"""One process at a time does a thing; the others wait for it and then see that it is done."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.progress import say


@contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Hold the file `lock`, also against other threads; say so when somebody else is at `what`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"   … another process is at it: waiting for {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
