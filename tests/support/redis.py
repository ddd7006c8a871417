"""A real Redis for tests: a child process on a loopback port, which keeps nothing on disk.

`redis_server` is one for the whole run, emptied before each test that asks for it; a test that
kills or freezes its server asks for `own_redis`. A folder of tests takes what it needs by importing
it in its conftest.py. The server goes when the test process goes, however that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from fraud_scorer.redis.address import RedisAddress
from tests.cluster import prerequisites
from tests.cluster.control_plane import LOOPBACK, free_ports

PASSWORD = "of-a-test"
_PATIENCE = 30.0


class RedisServer:
    """A server that can be killed, frozen, flushed and started again, then empty."""

    def __init__(self, folder: Path, binary: str, *options: str) -> None:
        self.folder, self._binary, self._options = folder, binary, options
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> RedisAddress:
        """For the scorer's own client."""
        return RedisAddress(LOOPBACK, self.port, password=PASSWORD)

    def client(self) -> redis.Redis:
        """A client that is not ours."""
        return redis.Redis(LOOPBACK, self.port, password=PASSWORD)

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig=KILL", self._binary, f"--bind {LOOPBACK}",
                    f"--port {self.port}", f"--dir {self.folder}", f"--requirepass {PASSWORD}",
                    "--save ''", "--appendonly no", *self._options,
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"Redis did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Gone, with all that it had."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing while its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signum)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.ConnectionError:
            return False


def serve(*options: str) -> Iterator[RedisServer]:
    """A server with these options, removed afterwards with its folder."""
    binary = find_binary()
    folder = Path(tempfile.mkdtemp(prefix="fraudops-redis-"))
    try:
        server = RedisServer(folder, binary, *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _redis_of_the_run() -> Iterator[RedisServer]:
    yield from serve()


@pytest.fixture
def redis_server(_redis_of_the_run: RedisServer) -> RedisServer:
    """An empty server."""
    _redis_of_the_run.client().flushall()
    return _redis_of_the_run


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that this test may kill, freeze or fill."""
    yield from serve()


def find_binary() -> str:
    """The server's path; installed with consent. Skips the test without one."""
    packages = [prerequisites.STORES["redis-server"]]
    found = shutil.which("redis-server")
    if found is None and prerequisites.installed(packages, "A test with Redis"):
        found = shutil.which("redis-server")
    if found is not None:
        return found
    reason = f"needs Redis: {prerequisites.install_command(packages)}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
