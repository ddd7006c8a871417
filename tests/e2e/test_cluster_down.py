"""A node cluster survives being killed in pieces, and leaves nothing on the machine when removed.

Lived through in namespaces of its own (cluster_life.py): beside the cluster of the other tests.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.providers.local import Local

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if reason := Local().missing("node", None):
        pytest.skip(f"a local node cannot be had: {reason}")
    state = tmp_path_factory.mktemp("state")
    command = ["unshare", "--net", "--mount", "--propagation", "private"]
    command += [sys.executable, "-m", "tests.e2e.cluster_life", str(state)]
    result = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    return seen


def test_the_first_up_starts_it_and_the_second_finds_it(life: dict[str, Any]) -> None:
    assert life["first"] is True
    assert life["again"] is False


def test_a_cluster_killed_in_pieces_is_started_anew(life: dict[str, Any]) -> None:
    assert life["after kill"] is True


def test_a_pod_that_asks_outside_is_refused_at_once(life: dict[str, Any]) -> None:
    assert "198.51.100.7" in life["outside"]
    assert "connection refused" in life["outside"] or "was refused" in life["outside"]


def test_a_second_node_on_the_machine_is_refused_and_harms_nothing(life: dict[str, Any]) -> None:
    assert "another node cluster runs on this machine" in life["second state"]
    assert "python -m tests.cluster down" in life["second state"]
    assert life["again"] is False


def test_while_it_runs_there_is_something_to_leave_behind(life: dict[str, Any]) -> None:
    """Otherwise the next test would prove nothing."""
    before, running = life["before"], life["while up"]
    assert {what for what in before if before[what] != running[what]} == set(before)


@pytest.mark.parametrize("what", ["routes", "nft", "processes", "ip_forward"])
def test_down_restores(life: dict[str, Any], what: str) -> None:
    assert life["after"][what] == life["before"][what]


@pytest.mark.parametrize("what", ["devices", "mounts", "cgroups", "files", "state"])
def test_down_leaves_nothing(life: dict[str, Any], what: str) -> None:
    assert set(life["after"][what]) - set(life["before"][what]) == set()
