"""Real servers, with the very files that the operator gives the ones that it runs."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from fraud_operator.apply.secrets import made_up
from fraud_operator.plan.generated import Random, WithDigest
from fraud_operator.plan.stores import postgres as managed_postgres
from fraud_operator.plan.stores import redis as managed_redis
from fraud_operator.plan.stores.postgres_config import CONFIG_FILE, HBA, HBA_FILE, postgresql_conf
from tests.cluster.control_plane import LOOPBACK, free_ports
from tests.support import postgres as postgres_support
from tests.support.redis import find_binary
from tests.support.worlds import MINIMAL, World

SPEC = {**MINIMAL, "redis": {"managed": {}}, "postgres": {"managed": {"storage": "10Gi"}}}
DANGEROUS = (
    *(("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("SHUTDOWN",)),
    *(("MONITOR",), ("SCRIPT", "FLUSH"), ("DEBUG", "JMAP"), ("SCAN", "0"), ("SWAPDB", "0", "1")),
)
LUA = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000) return redis.call('MGET', KEYS[1])"


@pytest.fixture(scope="module")
def login() -> dict[str, str]:
    """What the operator would put into the Secret of Redis."""
    values = {"password": Random(), "users.acl": WithDigest("password", managed_redis.users())}
    return {key: base64.b64decode(text).decode() for key, text in made_up(values).items()}


@pytest.fixture(scope="module")
def port(login: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis with the operator's configuration and ACL, and nothing else of its own."""
    world = World(spec=dict(SPEC))
    world.settle()
    folder = tmp_path_factory.mktemp("redis")
    text = world.children["ConfigMap", "card-payments-redis"]["data"]["redis.conf"]
    (folder / "users.acl").write_text(login["users.acl"])
    text = text.replace("/etc/fraudops/redis-auth", str(folder)).replace(
        "dir /data", f"dir {folder}"
    )
    (folder / "redis.conf").write_text(text)
    (free,) = free_ports(1)
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", find_binary(), str(folder / "redis.conf"),
         "--port", str(free), "--bind", LOOPBACK, "--logfile", str(folder / "log")]
    )  # fmt: skip
    try:
        end = time.monotonic() + 30
        while True:
            try:
                redis.Redis(LOOPBACK, free).ping()
                break
            except redis.ConnectionError:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, "it does not answer"
                time.sleep(0.02)
        yield free
    finally:
        server.terminate()
        server.wait(30)


def test_nobody_can_do_more_than_ask_whether_it_answers(port: int) -> None:
    stranger = redis.Redis(LOOPBACK, port)
    assert stranger.ping()
    for command in (
        ("GET", "a"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("INFO",),
        ("KEYS", "*"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            stranger.execute_command(*command)


def test_the_scorers_do_what_they_need_and_no_more(port: int, login: dict[str, str]) -> None:
    ours = redis.Redis(LOOPBACK, port, username=managed_redis.LOGIN, password=login["password"])
    assert ours.eval(LUA, 1, "key", "value") == [b"value"]
    assert ours.evalsha(str(ours.script_load(LUA)), 1, "key", "value") == [b"value"]
    assert ours.set("key", "1", nx=True, px=100) is None
    assert ours.pttl("key") > 0
    assert ours.delete("key") == 1
    for command in DANGEROUS:
        with pytest.raises(redis.exceptions.ResponseError):
            ours.execute_command(*command)


def test_another_password_does_not_get_in(port: int) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(LOOPBACK, port, username=managed_redis.LOGIN, password="guessed").get("a")


@pytest.fixture
def configured() -> Iterator[postgres_support.PostgresServer]:
    """A Postgres with the operator's configuration, of a small pod."""
    memory, storage, connections = 512 << 20, 10 << 30, 100
    folder = Path(tempfile.mkdtemp(prefix="fraudops-configured-"))
    folder.chmod(0o755)  # the server is another user
    try:
        text = postgresql_conf(memory, storage, connections, str(folder))
        (folder / CONFIG_FILE).write_text(text)
        (folder / HBA_FILE).write_text(HBA)
        yield from postgres_support.serve(config_file=str(folder / CONFIG_FILE))
    finally:
        shutil.rmtree(folder)


def test_postgres_takes_its_configuration(configured: postgres_support.PostgresServer) -> None:
    assert configured.sql("SHOW wal_level") == "replica"
    assert configured.sql("SHOW archive_mode") == "on"
    assert configured.sql("SHOW max_connections") == "100"
    assert configured.sql("SHOW password_encryption") == "scram-sha-256"
    assert configured.sql("SHOW statement_timeout") == "1h"
    wrong = configured.sql("SELECT name FROM pg_file_settings WHERE error IS NOT NULL").split()
    assert set(wrong) <= {*postgres_support.SETTINGS, "listen_addresses"}, "what this test sets"
    methods = "SELECT string_agg(type || ' ' || auth_method, ', ') FROM pg_hba_file_rules"
    assert configured.sql(methods) == "local trust, host scram-sha-256"


def test_its_defaults_are_sizes_that_fit() -> None:
    for gibibytes in (1, 2, 4, 16, 64):
        world = World(
            spec={
                **MINIMAL,
                "postgres": {
                    "managed": {
                        "storage": "100Gi",
                        "resources": {"limits": {"memory": f"{gibibytes}Gi"}},
                    }
                },
            }
        )
        world.settle()
        config = world.children["ConfigMap", "card-payments-postgres"]["data"][CONFIG_FILE]
        settings = dict(line.split(" = ", 1) for line in config.splitlines())
        shared = int(settings["shared_buffers"].strip("'").removesuffix("MB"))
        work = int(settings["work_mem"].strip("'").removesuffix("MB"))
        connections = int(settings["max_connections"])
        assert shared == gibibytes * 256
        assert connections == min(500, max(100, gibibytes * 100))
        assert shared + work * connections <= gibibytes * 1024
        assert connections > managed_postgres.KEPT_CONNECTIONS
