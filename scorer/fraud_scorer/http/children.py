"""Starting serving processes: this very command again, with a place among its siblings.

A process of its own start shares nothing with its parent but what it is given: the memory where it
counts, and a socket on which it reports. Nothing here takes long to import, so that they are on
their way before the parent has loaded what it needs itself. How long to wait before a child that
ended is replaced is the same for all of them.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0
"""A process that lived so long is replaced without a pause."""


class Pauses:
    """How long to wait before a process that ended is replaced: not at all at first, and after a
    steady life; longer each time otherwise."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """Seconds, before one is replaced that lived so long."""
        pause = 0.0 if lived > _STEADY_SECONDS else self._next
        self._next = min(max(2 * pause, 1.0), _LONGEST_PAUSE)
        return pause


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started, and the socket on which it reports."""

    process: subprocess.Popen[bytes]
    control: socket.socket


class Children:
    """How to start them."""

    def __init__(self, arguments: Sequence[str], memory: int) -> None:
        """`arguments` of `fraud-scorer`; `memory`: the file of the shared counters."""
        self._command = (sys.executable, "-P", "-m", "fraud_scorer.cli.main", *arguments)
        self._memory = memory

    def start(self, place: int) -> Child:
        """Start the one for that place. It is no business of the terminal's: Ctrl-C is for the
        parent, which passes it on."""
        ours, theirs = socket.socketpair()
        with theirs:
            given = f"{place}:{self._memory}:{theirs.fileno()}"
            process = subprocess.Popen(
                [*self._command, f"--worker={given}"],
                pass_fds=(self._memory, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        return Child(process, ours)
