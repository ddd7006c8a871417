"""The control plane runs as an ordinary user; a node says that it needs root."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.paths import cache_folder
from tests.cluster.processes import Processes

ROOT = Path(__file__).parents[2]
NOBODY = 65534
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def as_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Runs `python -m tests.cluster …` as a user who is not root, with a home of its own.

    Where the tests run as root, that user may also read what is root's (checkout, Python, cache),
    and nothing else: no other capability.
    """
    home = tmp_path_factory.mktemp("home")
    become: list[str] = []
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
        home.parent.chmod(0o755)
        reading = "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
        become += ["--bounding-set=-all,+dac_read_search", "--no-new-privs"]
    environment = {
        **os.environ,
        "HOME": str(home),
        "FRAUDOPS_STATE": str(home / "state"),
        "FRAUDOPS_CACHE": str(cache_folder()),
        "CI": "",
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*become, sys.executable, "-m", "tests.cluster", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    yield run
    run("down")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def kubeconfig(control_plane: object, as_ordinary_user: Command) -> Path:
    # `control_plane` is asked for so that the binary is in the cache, which this user cannot write.
    started = as_ordinary_user("up", "--tier", "control-plane")
    assert started.returncode == 0, started.stderr
    return Path(as_ordinary_user("kubeconfig").stdout.strip())


def _kubectl(kubeconfig: Path, *arguments: str) -> str:
    command = [str(kubeconfig.parent / "bin" / "kubectl"), "--kubeconfig", str(kubeconfig)]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_control_plane_answers_on_loopback(kubeconfig: Path) -> None:
    server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    assert server.startswith("https://127.0.0.1:")
    assert "gitVersion" in _kubectl(kubeconfig, "version", "--output=json")


def test_its_controllers_work(kubeconfig: Path) -> None:
    _kubectl(kubeconfig, "create", "namespace", "ordinary")
    wait = ["wait", "--for=create", "serviceaccount/default", "--timeout=90s"]
    _kubectl(kubeconfig, "--namespace=ordinary", *wait)


def test_no_process_of_it_is_roots(kubeconfig: Path) -> None:
    pids = [json.loads(each.read_text())["pid"] for each in kubeconfig.parent.glob("pids/*.json")]
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
    assert len(pids) == 4
    assert 0 not in owners


def test_a_node_needs_root_and_says_so(as_ordinary_user: Command) -> None:
    refused = as_ordinary_user("up", "--tier", "node")
    assert refused.returncode == 1
    assert "real pods need root" in refused.stderr
    assert "the control plane alone runs without" in refused.stderr


def test_down_leaves_no_process(kubeconfig: Path, as_ordinary_user: Command) -> None:
    processes = Processes(kubeconfig.parent)
    assert len(processes.left()) == 4
    removed = as_ordinary_user("down")
    assert removed.returncode == 0, removed.stderr
    assert processes.left() == []
    assert not kubeconfig.parent.exists()
