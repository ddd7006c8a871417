"""Processes are known by pid and start time, and found by their mark when a pid file is gone."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import ProcessError, Processes, stop_pids

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('ready', flush=True); time.sleep(600)",
]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    stop_pids(found.left(), 0)


def test_a_started_process_lives_in_a_session_of_its_own(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    pid = processes.pid("sleeper")
    assert pid is not None
    assert os.getsid(pid) == pid


def test_another_process_with_the_same_pid_is_not_taken_for_it(
    processes: Processes, tmp_path: Path
) -> None:
    record = {"pid": os.getpid(), "started": "1"}
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "other.json").write_text(json.dumps(record))
    assert processes.pid("other") is None
    processes.stop("other")  # and is left alone: this test is still running


def test_a_process_without_a_pid_file_is_found_by_its_mark(
    processes: Processes, tmp_path: Path
) -> None:
    processes.start("sleeper", SLEEP)
    pid = processes.pid("sleeper")
    (tmp_path / "pids" / "sleeper.json").unlink()
    assert processes.left() == [pid]


def test_the_mark_of_another_instance_is_not_ours(processes: Processes, tmp_path: Path) -> None:
    processes.start("sleeper", SLEEP)
    assert Processes(tmp_path / "other").left() == []


def test_kill_all_also_ends_what_was_started_after_it_looked(tmp_path: Path) -> None:
    class Busy(Processes):
        """Somebody starts one more process right after the first look."""

        def left(self) -> list[int]:
            found = super().left()
            if self.names() == ["early"]:
                self.start("late", SLEEP)
            return found

    busy = Busy(tmp_path)
    busy.start("early", SLEEP)
    busy.kill_all()
    assert busy.names() == ["early", "late"]
    assert Processes(tmp_path).left() == []


def test_stop_kills_what_does_not_end_by_itself(processes: Processes, tmp_path: Path) -> None:
    processes.start("stubborn", STUBBORN)
    log = tmp_path / "logs" / "stubborn.log"
    processes.wait_ready("stubborn", lambda: "ready" in log.read_text(), 20)
    processes.stop("stubborn", seconds=0.1)
    assert processes.left() == []
    assert processes.names() == []


def test_a_process_that_ends_while_starting_is_reported_with_its_log(
    processes: Processes,
) -> None:
    processes.start("brief", [sys.executable, "-c", "print('no such flag')"])
    with pytest.raises(ProcessError, match=r"(?s)brief ended while starting.*no such flag"):
        processes.wait_ready("brief", lambda: False, 20)


def test_a_killed_process_is_not_alive(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    pid = processes.pid("sleeper")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    stop_pids([pid], 0)
    assert processes.pid("sleeper") is None
