"""The stand-ins for the official images of Redis and Postgres keep what those promise: as an
ordinary user on a read-only root, with a password from a file, stopped by their own signal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import Cluster, images
from tests.e2e.bed import wait_for
from tests.support.volumes import grow

pytestmark = pytest.mark.node
ROLLED = "--timeout=120s"
PASSWORD = 'it\'s a "secret" of $9'
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _volume(name: str, path: str, kind: str, source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"name": name, "mountPath": path}, {"name": name, kind: source}


def _stateful(
    name: str, args: list[str], env: dict[str, str], volumes: list[Any], data: str
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": name,
        "image": images.tag_of(name),
        "imagePullPolicy": "Never",
        "args": args,
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": data}, *(mount for mount, _ in volumes)],
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "runAsGroup": 999,
            "fsGroup": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [volume for _, volume in volumes],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": [claim],
        },
    }


class Store:
    """One of the two, as a StatefulSet of one pod."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self.pod = f"{name}-0"

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        return self.cluster.kubectl(
            "--namespace", self.namespace, *arguments, input=input, check=check
        )

    def apply(self, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(listed))
        self.kubectl("rollout", "status", f"statefulset/{self.name}", ROLLED)

    def run(self, *command: str) -> str:
        """What a command in the pod says, errors too."""
        return self.kubectl("exec", self.pod, "--", *command, check=False).strip()

    def wait_answering(self, *command: str, answer: str) -> None:
        wait_for(f"{self.name} answers", lambda: self.run(*command) == answer)

    def replaced(self) -> str:
        """Delete the pod, and wait for the next one; what the first said at its end."""
        uid = self.kubectl("get", "pod", self.pod, "--output=jsonpath={.metadata.uid}")
        self.kubectl("delete", "pod", self.pod, "--wait=false")
        said = self.kubectl("logs", "--follow", self.pod, check=False)
        fresh = "--output=jsonpath={.metadata.uid} {.status.containerStatuses[0].ready}"

        def ready() -> bool:
            found = self.kubectl("get", "pod", self.pod, fresh, check=False).split()
            return len(found) == 2 and found[0] != uid and found[1] == "true"

        wait_for("another pod", ready)
        return said


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[str]:
    """A namespace that takes restricted pods only."""
    cluster.load(*map(images.tag_of, images.build(images.STORE_NAMES)))
    name = "e2e-store-images"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def postgres(cluster: Cluster, shared: str) -> Store:
    store = Store(cluster, shared, "postgres")
    files = {
        "postgresql.conf": "listen_addresses = '*'\nmax_connections = 37\n",
        "first.sql": "CREATE TABLE made (by text); INSERT INTO made VALUES ('first.sql');",
        "second.sh": "psql -v ON_ERROR_STOP=1 --username $POSTGRES_USER --dbname $POSTGRES_DB"
        " -c \"INSERT INTO made VALUES ('second.sh')\"",
    }
    keys = {name: {"name": "postgres", "items": [{"key": name, "path": name}]} for name in files}
    scripts = [item for name in ("first.sql", "second.sh") for item in keys[name]["items"]]
    volumes = [
        _volume("conf", "/etc/postgresql", "configMap", keys["postgresql.conf"]),
        _volume(
            "scripts", "/docker-entrypoint-initdb.d", "configMap",
            {"name": "postgres", "items": scripts},
        ),
        _volume("password", "/etc/password", "secret", {"secretName": "postgres"}),
        _volume("run", "/var/run/postgresql", "emptyDir", {}),
        _volume("tmp", "/tmp", "emptyDir", {}),  # noqa: S108
    ]  # fmt: skip
    env = {
        "POSTGRES_USER": "boss",
        "POSTGRES_DB": "fraud",
        "POSTGRES_PASSWORD_FILE": "/etc/password/password",
        "POSTGRES_INITDB_ARGS": "--data-checksums --auth-local='scram-sha-256'",
        "PGDATA": "/var/lib/postgresql/data/pgdata",
    }
    args = ["postgres", "-c", "config_file=/etc/postgresql/postgresql.conf"]
    store.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "postgres"}, "data": files},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "postgres"},
            "stringData": {"password": PASSWORD},
        },
        _stateful("postgres", args, env, volumes, "/var/lib/postgresql/data"),
    )
    store.wait_answering(*_psql("select 1"), answer="1")
    return store


def _psql(query: str, password: str = PASSWORD) -> list[str]:
    """As a client of the network asks."""
    target = "host=127.0.0.1 dbname=fraud user=boss connect_timeout=5"
    return ["env", f"PGPASSWORD={password}", "psql", "-X", "-At", target, "-c", query]


def test_postgres_is_made_with_the_password_of_the_file_and_by_the_scripts(postgres: Store) -> None:
    assert postgres.run(*_psql("select by from made order by by")) == "first.sql\nsecond.sh"
    assert postgres.run(*_psql("show data_checksums")) == "on"
    assert postgres.run(*_psql("show max_connections")) == "37"
    assert postgres.run("id", "-u") == "999"


def test_postgres_refuses_another_password(postgres: Store) -> None:
    # Through the pod's address: that of the loopback is left to initdb's own arguments.
    address = postgres.kubectl("get", "pod", postgres.pod, "--output=jsonpath={.status.podIP}")
    command = _psql("select 1", password="guess")
    command[-3] = command[-3].replace("127.0.0.1", address)
    assert "password authentication failed" in postgres.run(*command)
    assert "fe_sendauth" in postgres.run(
        "psql", "-X", "-w", "-U", "boss", "fraud", "-c", "select 1"
    )


def test_postgres_stops_fast_and_keeps_its_data(postgres: Store) -> None:
    postgres.run(*_psql("insert into made values ('a test')"))
    said = postgres.replaced()
    assert "received fast shutdown request" in said
    assert "database system is shut down" in said
    postgres.wait_answering(*_psql("select count(*) from made"), answer="3")
    assert "the database is made" not in postgres.kubectl("logs", postgres.pod)


def test_a_claim_may_ask_for_more_and_gets_it(postgres: Store) -> None:
    claim = "data-postgres-0"
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    postgres.kubectl("patch", "pvc", claim, "--patch", json.dumps(more))
    capacity = ("get", "pvc", claim, "--output=jsonpath={.status.capacity.storage}")
    assert postgres.kubectl(*capacity) == "1Gi"
    assert grow(postgres.cluster, postgres.namespace, claim) == "2Gi"
    assert postgres.kubectl(*capacity) == "2Gi"


def test_postgres_without_a_password_says_what_to_do(postgres: Store) -> None:
    where = "PGDATA=/tmp/none"
    start = ("docker-entrypoint.sh", "postgres")
    none = postgres.run("env", where, "POSTGRES_PASSWORD_FILE=", *start)
    assert "set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD" in none
    both = postgres.run("env", where, "POSTGRES_PASSWORD=x", *start)
    assert "are both set: unset one" in both


def test_redis_runs_with_a_mounted_configuration(cluster: Cluster, shared: str) -> None:
    store = Store(cluster, shared, "redis")
    configuration = (
        "save ''\nappendonly no\nmaxmemory 32mb\nmaxmemory-policy allkeys-lru\ndir /data\n"
        "user default off\nuser scorer on >pass ~* +@all\n"
    )
    volumes = [_volume("conf", "/etc/redis", "configMap", {"name": "redis"})]
    store.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "redis"},
            "data": {"redis.conf": configuration},
        },
        _stateful("redis", ["redis-server", "/etc/redis/redis.conf"], {}, volumes, "/data"),
    )
    ask = ("redis-cli", "--no-auth-warning", "--user", "scorer", "--pass", "pass")
    store.wait_answering(*ask, "PING", answer="PONG")
    assert "NOAUTH" in store.run("redis-cli", "PING")
    assert store.run(*ask, "CONFIG", "GET", "maxmemory-policy").endswith("allkeys-lru")
    assert store.run(*ask, "INFO", "server").split("redis_version:")[1][0] == "8"
    assert store.run("id", "-u") == "999"
    assert "Received SIGTERM" in store.replaced()
