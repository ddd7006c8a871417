"""What `make` installs on a machine that has nothing, and when it asks."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/prerequisites"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with no compiler, a Python without venv, and an apt-get that notes what it is told."""
    for name in ("bash", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    _program(tmp_path / "id", "echo 0")
    _program(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac; exit 0')
    _program(tmp_path / "apt-get", f'echo "$@" >> {tmp_path}/asked')
    return tmp_path


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _run(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT)],
        env={"PATH": str(machine), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_consent_it_names_the_command_and_changes_nothing(machine: Path) -> None:
    answer = _run(machine)
    assert answer.returncode == 1
    assert "apt-get install --no-install-recommends python3-venv gcc libc6-dev" in answer.stderr
    assert "YES=1" in answer.stderr
    assert not (machine / "asked").exists()


@pytest.mark.parametrize("consent", ["CI=true", "YES=1"])
def test_with_consent_it_installs_what_is_missing(machine: Path, consent: str) -> None:
    answer = _run(machine, **dict([consent.split("=")]))
    assert answer.returncode == 0, answer.stderr
    update, install = (machine / "asked").read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith("--no-install-recommends python3-venv gcc libc6-dev")


def test_a_machine_that_has_all_is_left_alone(machine: Path) -> None:
    _program(machine / "python3", "exit 0")
    _program(machine / "cc", "exit 0")
    answer = _run(machine, CI="true")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert not (machine / "asked").exists()


def test_an_old_python_is_named(machine: Path) -> None:
    _program(machine / "python3", '[ "$1" = -V ] && echo Python 3.9.2; exit 1')
    answer = _run(machine, CI="true")
    assert answer.returncode == 1
    assert "Python 3.9.2; Python 3.11 or newer is needed" in answer.stderr
