"""Fixtures that give a test its cluster. Unit tests use none of them, and so import nothing of it.

Where no cluster can be had, a test that needs one is skipped with the reason; with CI=true it
fails. A run that had to start a cluster says so at its end, and in CI removes it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support import closing

if TYPE_CHECKING:
    from tests.cluster import Cluster
    from tests.cluster.audit import AuditLog
    from tests.cluster.paths import Tier

IN_CI = os.environ.get("CI", "").lower() == "true"
STARTED: list[tuple[str, str]] = []
"""Provider and name of each cluster that this run had to start."""


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> "Cluster":
    """A cluster with real pods, of the newest Kubernetes that can be had."""
    return _ensure(pytestconfig, "node")


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> "Cluster":
    """A real API server with its controllers; perhaps no node. FRAUDOPS_KUBERNETES chooses another
    release, such as 1.34.

    Locally it is not the control plane of `cluster`: there the demo's operator may be at work, and
    two operators would get in each other's way.
    """
    return _ensure(pytestconfig, "control-plane", os.environ.get("FRAUDOPS_KUBERNETES") or None)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, whose deletion is asked for afterwards but not waited for."""
    where = _of_test(request)
    name = f"test-{secrets.token_hex(4)}"
    where.kubectl("create", "namespace", name)
    yield name
    where.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def audit(request: pytest.FixtureRequest) -> "AuditLog":
    """What is asked of the API server from now on."""
    from tests.cluster.audit import AuditLog

    where = _of_test(request)
    if where.audit_log is None:
        pytest.skip(f"the audit log of {where.name} is not at hand")
    return AuditLog(where.audit_log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes, who runs which."""
    from tests.support.together import Together

    return Together(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what is to be said to the process that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(sections=closing.SECTIONS, started=STARTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what another process had to say; one that died has nothing."""
    output = getattr(node, "workeroutput", {})
    closing.take_over(output.get("sections", {}))
    STARTED.extend(tuple(one) for one in output.get("started", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    for title, lines in closing.SECTIONS.items():
        terminalreporter.section(title, "-")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """In CI nothing stays behind. Last of all, for other plugins may still use the cluster."""
    if not (IN_CI and STARTED) or hasattr(config, "workeroutput"):
        return
    from tests.cluster.api import providers

    for provider in providers():
        for by, name in STARTED:
            if by == provider.name:
                provider.down(name)
    STARTED.clear()


def _of_test(request: pytest.FixtureRequest) -> "Cluster":
    """The cluster that the test asks for itself, or the control plane."""
    wanted = "cluster" if "cluster" in request.fixturenames else "control_plane"
    return cast("Cluster", request.getfixturevalue(wanted))


def _ensure(config: pytest.Config, tier: "Tier", version: str | None = None) -> "Cluster":
    from tests.cluster import ClusterError, ensure

    capture = config.pluginmanager.getplugin("capturemanager")
    try:
        # A first build takes minutes: its progress is to be seen, whatever pytest does with output.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            found = ensure(tier, version)
    except ClusterError as error:
        if IN_CI:
            raise
        pytest.skip(str(error))
    if found.fresh:
        STARTED.append((found.provider, found.name))
        closing.say(f"cluster {found.name} was started by this run", _what_becomes_of(found))
    return found


def _what_becomes_of(started: "Cluster") -> list[str]:
    if IN_CI:
        return ["CI=true: it is removed now."]
    return [
        "It is kept, and the next run uses it. To look into it:",
        f"  export KUBECONFIG={started.kubeconfig} PATH={started.kubectl_path.parent}:$PATH",
        f"To remove it: python -m tests.cluster down {started.name}",
    ]
