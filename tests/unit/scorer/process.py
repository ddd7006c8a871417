"""`fraud-scorer` as a process, whose log and ports a test can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

COMMAND = (sys.executable, "-m", "fraud_scorer.cli.main")
PATIENCE = 180.0
"""Seconds until something that was promised counts as not happening."""


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Process:
    """A running `fraud-scorer serve` on ports of its own choice."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: Queue[str | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(line)
        self._queue.put(None)

    def logged(self, message: str) -> Mapping[str, Any]:
        """The next line of the log with that message."""
        while (line := self._queue.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
            entry = json.loads(line)
            if message in entry["message"]:
                found: Mapping[str, Any] = entry
                return found
        raise AssertionError(f"ended without {message!r}: {''.join(self.lines)}")

    def rest(self) -> list[str]:
        """What nobody has read of the log of a process that has ended."""
        lines = []
        while (line := self._queue.get(timeout=PATIENCE)) is not None:
            lines.append(line)
        return lines

    def children(self) -> list[int]:
        """The process ids of those that serve."""
        parent = self.process.pid
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return [int(one) for one in text.split()]

    def kill(self) -> None:
        """End it, and read to the end: the processes that it started go after it."""
        self.process.kill()
        self._reader.join(PATIENCE)

    def ended(self) -> int:
        """The exit code."""
        return self.process.wait(PATIENCE)


@contextmanager
def serving(*arguments: str | Path, embedded: bool = False) -> Iterator[Process]:
    """`fraud-scorer serve` with these arguments, killed at the end if it still runs. `embedded`:
    with its default of features and records, where the arguments say nothing of them."""
    ports = ["--listen=127.0.0.1:0", "--management=127.0.0.1:0"]
    if not embedded and not any(str(one).startswith("--data=") for one in arguments):
        ports.append("--data=none")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    with subprocess.Popen(
        [*COMMAND, "serve", *ports, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        running = Process(process)
        try:
            yield running
        finally:
            running.kill()
