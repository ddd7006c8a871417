"""What the demo shows: its chapters with their times, and commands as a person would type them."""

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

from tests.cluster import ClusterError

_ONE_AT_A_TIME = threading.Lock()


def out(text: str = "") -> None:
    """Lines that stay together, whatever another thread prints meanwhile."""
    with _ONE_AT_A_TIME:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@dataclass
class Chapters:
    """Numbers the parts of the demo, and says of each how long it took."""

    total: int
    _began: float = field(default_factory=time.monotonic)
    _since: float = 0.0
    _number: int = 0

    def open(self, title: str) -> None:
        """Close the part before and begin another."""
        self.close()
        self._number += 1
        self._since = time.monotonic()
        out(f"\n[{self._number}/{self.total}] {title}")

    def close(self) -> None:
        """Say how long the current part took."""
        if self._since:
            took = time.monotonic() - self._since
            out(f"  -> {took:.1f} s; {self.elapsed:.0f} s since the command")
            self._since = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the command."""
        return time.monotonic() - self._began


@dataclass(frozen=True)
class Shell:
    """Runs commands in one environment. One that fails raises ClusterError with its output."""

    environment: Mapping[str, str]

    def show(self, command: str, *, also: Mapping[str, str] | None = None) -> None:
        """Print a command line, run it, and print what it says."""
        out(f"  $ {command}")
        if output := self.run(*shlex.split(command), also=also):
            out(indent(output.rstrip(), "    "))

    def feed(self, command: str, file: Path) -> None:
        """Print a command line that reads a file, run it, and print what it says."""
        out(f"  $ {command} < {file.name}")
        said = self.run(*shlex.split(command), input=file.read_bytes())
        out(indent(said.rstrip(), "    "))

    def look(self, command: str, *, only: Callable[[str], str] = str) -> None:
        """Run a quick command line and print it with what it says, or a part of that, in one."""
        output = only(self.run(*shlex.split(command)))
        out(f"  $ {command}\n{indent(output.rstrip(), '    ')}")

    def run(
        self,
        *command: str,
        also: Mapping[str, str] | None = None,
        input: str | bytes | None = None,
    ) -> str:
        """Run a command and return its output."""
        environment = {**self.environment, **(also or {})}
        given = input.encode() if isinstance(input, str) else input
        result = subprocess.run(
            command, capture_output=True, check=False, env=environment, input=given
        )
        said = result.stdout.decode(errors="replace")
        if result.returncode != 0:
            told = (said + result.stderr.decode(errors="replace")).strip()[-3000:]
            raise ClusterError(f"{shlex.join(command)}\nended with {result.returncode}:\n{told}")
        return said
