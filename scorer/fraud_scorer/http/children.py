"""Starting serving processes: this very command again, with a place among its siblings.

A process of its own start shares nothing with its parent but what it is given: the memory where it
counts, and a socket on which it reports. Nothing here takes long to import, so that they are on
their way before the parent has loaded what it needs itself.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


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
