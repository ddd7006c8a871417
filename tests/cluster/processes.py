"""Long-running processes that outlive the command which started them, and how to end them again.

A process is known by a pid file that also holds its start time, because pids are used again. Every
process carries a mark in its environment as well, by which those are found whose pid file is gone
(a crash) or who never had one (containerd's shims inherit it). Needs Linux's /proc.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MARK = "FRAUDOPS_CLUSTER"


class ProcessError(Exception):
    """A process ended or did not become ready; the message holds the tail of its log."""


class Processes:
    """The processes of one instance: pid files in `folder`/pids, logs in `folder`/logs."""

    def __init__(self, folder: Path) -> None:
        self._pids = folder / "pids"
        self._logs = folder / "logs"
        self._mark = str(folder)

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> None:
        """Start `command` in a session of its own, with its output in logs/NAME.log."""
        self._pids.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(env or {}), MARK: self._mark},
            )
        record = {"pid": process.pid, "started": _start_time(process.pid)}
        (self._pids / f"{name}.json").write_text(json.dumps(record))
        # Not ours to wait for: it outlives this command.
        process.returncode = 0

    def names(self) -> list[str]:
        """What was started, alive or not."""
        return sorted(path.stem for path in self._pids.glob("*.json"))

    def pid(self, name: str) -> int | None:
        """The pid of a process that is alive, or None."""
        try:
            record = json.loads((self._pids / f"{name}.json").read_text())
        except (OSError, ValueError):
            return None
        pid = int(record["pid"])
        alive = record["started"] is not None and _start_time(pid) == record["started"]
        return pid if alive else None

    def wait_ready(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` says so. Raises ProcessError when the process ends or time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.pid(name) is None:
                raise ProcessError(f"{name} ended while starting.\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{name} was not ready within {seconds:.0f} s.\n{self.tail(name)}"
                )
            time.sleep(0.05)

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a process's log, under the path of the log."""
        path = self._logs / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join([f"The end of {path}:", *text.splitlines()[-lines:]])

    def stop(self, *names: str, seconds: float = 10.0) -> None:
        """Ask processes to end, and kill those that have not after `seconds`."""
        stop_pids([pid for name in names if (pid := self.pid(name))], seconds)
        for name in names:
            (self._pids / f"{name}.json").unlink(missing_ok=True)

    def kill_all(self) -> None:
        """Kill every process that carries the mark, also those that others start meanwhile."""
        while pids := self.left():
            stop_pids(pids, 0)

    def left(self) -> list[int]:
        """Every living process that carries this instance's mark, found without pid files."""
        needle = f"{MARK}={self._mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return [pid for pid in found if _start_time(pid) is not None]


def stop_pids(pids: Sequence[int], seconds: float) -> None:
    """End processes by SIGTERM, then by SIGKILL after `seconds` (0: at once), and see them gone."""
    known = {pid: _start_time(pid) for pid in pids}

    def living() -> list[int]:
        return [pid for pid, began in known.items() if began and _start_time(pid) == began]

    for signum, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        if patience <= 0:
            continue
        for pid in living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
        deadline = time.monotonic() + patience
        while living() and time.monotonic() < deadline:
            time.sleep(0.02)
    if still := living():
        raise ProcessError(f"processes {still} do not end, even by SIGKILL")


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat, or None for no process or one that has ended (a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return None if fields[0] in "ZX" else fields[19]
