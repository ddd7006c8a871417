"""What a test run does about clusters: skip with a reason, fail in CI, say what it started."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.api import Cluster, providers
from tests.cluster.paths import release

ROOT = Path(__file__).parents[2]
ONE_TEST = (
    "tests/integration/test_cluster_control_plane.py::test_the_api_server_says_its_real_version"
)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs one test that wants a control plane, in a pytest and with a state folder of its own."""

    def pytest_run(**variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "CI": "", "FRAUDOPS_STATE": str(tmp_path), **variables}
        for name in ("FRAUDOPS_KUBERNETES", "COVERAGE_PROCESS_START"):
            environment.pop(name, None)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", ONE_TEST],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return pytest_run


@pytest.fixture
def no_context(tmp_path: Path) -> dict[str, str]:
    """An existing cluster is asked for, and there is none."""
    kubeconfig = str(tmp_path / "none")
    return {"FRAUDOPS_USE_EXISTING_CLUSTER": "true", "KUBECONFIG": kubeconfig}


@pytest.fixture
def own_cluster(
    control_plane: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Has the binary built, and removes what the run under test kept."""
    if control_plane.provider != "local":
        pytest.skip("tests the local provider")
    monkeypatch.setenv("FRAUDOPS_STATE", str(tmp_path))
    yield
    for provider in providers():
        if provider.name == "local":
            provider.down()


def test_without_a_cluster_a_test_is_skipped_and_says_why(
    run: Run, no_context: dict[str, str]
) -> None:
    result = run(**no_context)
    assert result.returncode == 0, result.stdout
    assert "1 skipped" in result.stdout
    assert "existing: " in result.stdout


def test_without_a_cluster_ci_fails(run: Run, no_context: dict[str, str]) -> None:
    result = run(**no_context, CI="true")
    assert result.returncode == 1
    assert "No cluster can be had here." in result.stdout


@pytest.mark.usefixtures("own_cluster")
def test_a_run_that_started_a_cluster_says_how_to_remove_it_and_the_next_reuses_it(
    run: Run,
) -> None:
    name = f"control-plane-{release(None).minor}"
    first = run()
    assert first.returncode == 0, first.stdout
    assert f"{name} was started by this run" in first.stdout
    assert f"python -m tests.cluster down {name}" in first.stdout
    second = run()
    assert second.returncode == 0, second.stdout
    assert "was started by this run" not in second.stdout


@pytest.mark.usefixtures("own_cluster")
def test_ci_removes_what_it_started(run: Run, tmp_path: Path) -> None:
    result = run(CI="true")
    assert result.returncode == 0, result.stdout
    assert "CI=true: it is removed now." in result.stdout
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
