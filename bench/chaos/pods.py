"""A scorer as a pod runs it: two serving processes and one that ships, on a spool of its own."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.scorer.running import family

PROCESSES = 2
_READY_SECONDS = 60.0
_END_SECONDS = 90.0


@dataclass
class Pod:
    """One container, which may be started again on the same spool. Its output is in `log`."""

    command: Sequence[str]
    """Of `fraud-scorer serve`, without what is the pod's own."""
    folder: Path
    port: int
    management: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def spool(self) -> Path:
        """Its emptyDir."""
        return self.folder / "records"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / "log"

    def start(self) -> Pod:
        """Start it, and return when it is ready."""
        self.folder.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig=KILL", sys.executable, "-m", "fraud_scorer.cli.main",
                    "serve", *self.command, f"--listen=127.0.0.1:{self.port}",
                    f"--management=127.0.0.1:{self.management}", f"--records={self.spool}",
                    f"--processes={PROCESSES}",
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _READY_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"a pod did not become ready: {self.said()}")
            time.sleep(0.05)
        return self

    def serving(self) -> list[int]:
        """The processes that answer."""
        return [pid for pid, command in self._children() if b"serve" in command]

    def shipping(self) -> list[int]:
        """The process that ships."""
        return [pid for pid, command in self._children() if b"ship" in command]

    def kill(self) -> None:
        """SIGKILL for everything in it, as when its container is killed."""
        if self.process is None:
            return
        everyone = family(self.process.pid)
        for pid in everyone:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        _wait_until_gone(everyone)

    def terminate(self) -> None:
        """SIGTERM, and nothing more: it ends as it sees fit."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def gone(self) -> int:
        """Wait for it to end, and remove the pod with its spool; the exit code."""
        assert self.process is not None
        everyone = family(self.process.pid)
        try:
            code = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"a pod did not end in {_END_SECONDS:.0f} s: {self.said()}"
            ) from None
        _wait_until_gone(everyone)
        shutil.rmtree(self.spool, ignore_errors=True)
        return code

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _children(self) -> list[tuple[int, list[bytes]]]:
        assert self.process is not None
        found = []
        for pid in family(self.process.pid)[1:]:
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                found.append((pid, command))
        return found

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.management, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _wait_until_gone(pids: Sequence[int]) -> None:
    """A process that was killed still holds its locks until the kernel is done with it."""
    end = time.monotonic() + _END_SECONDS
    for pid in pids:
        while Path(f"/proc/{pid}/stat").exists() and not _is_zombie(pid):
            if time.monotonic() > end:
                raise AssertionError(f"process {pid} does not end")
            time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
