"""A real Postgres for tests: a child process, as an unprivileged user, in a folder of its own.

`postgres` is one server for the whole run and `database` an empty database in it for one test; a
test that stops or freezes its server asks for `own_postgres`. A folder of tests takes what it needs
by importing it in its conftest.py. The server goes when the test process goes, however that ends.

It does not wait for the disk (fsync is off): its processes may die, the machine may not.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster import prerequisites
from tests.cluster.control_plane import LOOPBACK, free_ports

PASSWORD = "of-a-test"
"""Of the superuser, where the server is asked by TCP; by its socket it asks for none."""

_SUPERUSER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
}
_PATIENCE = 60.0


class PostgresServer:
    """A server that can be stopped, killed, frozen and started again, with its data."""

    def __init__(self, folder: Path, binaries: Path, settings: dict[str, str]) -> None:
        self.folder, self._binaries, self._settings = folder, binaries, settings
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        _give_away(self.folder, password)
        self._run(
            "initdb", f"--pgdata={self.folder / 'data'}", f"--username={_SUPERUSER}",
            "--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256",
            f"--pwfile={password}", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_unprivileged(), str(self._binaries / "postgres"), f"-D{self.folder / 'data'}",
                    f"-k{self.folder}", f"-h{LOOPBACK}", f"-p{self.port}", *options,
                ],
                stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"Postgres did not start:\n{self.log()[-4000:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is None or self._process.poll() is not None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: by default at once but in order (a fast shutdown); SIGQUIT is a crash."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)
        self._process = None

    def restart(self, **settings: str) -> None:
        """Stop it in order, and start it with some settings changed."""
        self.stop()
        self._settings |= settings
        self.start()

    def freeze(self) -> None:
        """Let it answer nothing while its connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `freeze`."""
        self._signal_all(signal.SIGCONT)

    def dsn(self, database: str = "postgres", user: str = _SUPERUSER) -> str:
        """How to connect by its socket."""
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def tcp_dsn(
        self, database: str = "postgres", user: str = _SUPERUSER, password: str = PASSWORD
    ) -> str:
        """How to connect by TCP, with a password."""
        return f"host={LOOPBACK} port={self.port} dbname={database} user={user} password={password}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as superuser, and what it printed."""
        return subprocess.run(
            [
                str(self._binaries / "psql"), "--no-psqlrc", "--quiet", "--tuples-only",
                "--no-align", "--set=ON_ERROR_STOP=1", f"--command={statement}", self.dsn(database),
            ],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        asked = [str(self._binaries / "pg_isready"), "-q", f"-h{self.folder}", f"-p{self.port}"]
        return subprocess.run(asked, check=False).returncode == 0

    def _signal_all(self, signum: signal.Signals) -> None:
        """To the server and to all of its backends, each of which is a session of its own."""
        if self._process is None:
            return
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with suppress(ProcessLookupError):  # a worker that has just ended
                os.kill(pid, signum)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_unprivileged(), str(self._binaries / program), *arguments],
            check=False, capture_output=True, text=True, cwd="/",
        )  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(f"{program} failed:\n{done.stdout}{done.stderr}")


def serve(**settings: str) -> Iterator[PostgresServer]:
    """A server with these settings (on top of the tests'), removed afterwards with its folder."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="fraudops-pg-"))
    try:
        server = PostgresServer(folder, binaries, {**SETTINGS, **settings})
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the run."""
    yield from serve()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that this test may stop, freeze or break."""
    yield from serve()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The DSN of an empty database, as superuser."""
    name = f"test_{secrets.token_hex(6)}"
    postgres.sql(f"CREATE DATABASE {name}")
    yield postgres.dsn(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


def find_binaries() -> Path:
    """The folder with the newest Postgres; installed with consent. Skips the test without one."""
    found = _newest()
    packages = [prerequisites.STORES["psql"]]
    if found is None and prerequisites.installed(packages, "A test with Postgres"):
        found = _newest()
    if found is not None:
        return found
    reason = f"needs Postgres: {prerequisites.install_command(packages)}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _newest() -> Path | None:
    folders = [path.parent for path in _DEBIAN.glob("*/bin/postgres")]
    if folders:
        return max(folders, key=lambda folder: int(folder.parent.name))
    other = shutil.which("postgres")
    return Path(other).resolve().parent if other else None


def _user() -> pwd.struct_passwd | None:
    """Who runs the server: Postgres refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _unprivileged() -> list[str]:
    """The prefix of a command that gives up root, and is told when this process dies."""
    prefix = ["setpriv", "--pdeathsig=INT"]
    if user := _user():
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return prefix


def _give_away(*paths: Path) -> None:
    if user := _user():
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)
