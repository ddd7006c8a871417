"""Who we are to the API server, in a pod and by a kubeconfig, and what if that changes."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from fraud_operator.runtime import connection
from fraud_operator.runtime.connection import Connection, ConnectionProblem

ENVIRONMENT = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class Server:
    """Knows which tokens are good, and remembers what it was shown."""

    def __init__(self) -> None:
        self.good: set[str] = set()
        self.seen: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "")
        self.seen.append(shown)
        return web.Response(status=200 if shown in self.good or not self.good else 401)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    app = web.Application()
    app.router.add_get("/", server.handle)
    async with TestServer(app) as running:
        yield server, str(running.make_url("")).rstrip("/")


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    import certifi

    (tmp_path / "token").write_text("first\n")
    (tmp_path / "namespace").write_text("fraudops-system")
    (tmp_path / "ca.crt").write_text(Path(certifi.where()).read_text())
    return tmp_path


def kubeconfig(folder: Path, server: str, user: dict[str, object], **cluster: object) -> str:
    path = folder / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [
                    {"name": "one", "context": {"cluster": "c", "user": "u"}},
                    {"name": "other", "context": {"cluster": "c"}},
                ],
                "current-context": "one",
            }
        )
    )
    return str(path)


async def test_a_pod_is_its_service_account(mount: Path) -> None:
    found = connection.in_cluster(ENVIRONMENT, mount)
    assert found.server == "https://10.96.0.1:443"
    assert found.namespace_of_pod == "fraudops-system"
    assert await found.authorization() == "Bearer first"
    v6 = connection.in_cluster({**ENVIRONMENT, "KUBERNETES_SERVICE_HOST": "fd00::1"}, mount)
    assert v6.server == "https://[fd00::1]:443"


async def test_a_rotated_token_is_read_after_a_refusal(
    mount: Path, server: tuple[Server, str]
) -> None:
    known, url = server
    in_pod = connection.in_cluster(ENVIRONMENT, mount)
    known.good = {"Bearer first"}
    async with Connection(url, None, in_pod.authorization).session() as session:
        assert (await session.get(url)).status == 200
        (mount / "token").write_text("second")
        assert (await session.get(url)).status == 200, "the old one is good until it is refused"
        known.good = {"Bearer second"}
        known.seen.clear()
        assert (await session.get(url)).status == 200
        assert known.seen == ["Bearer first", "Bearer second"]
        known.good = {"Bearer third"}
        assert (await session.get(url)).status == 401


async def test_a_token_is_read_again_after_a_while(
    mount: Path, server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, url = server
    monkeypatch.setattr(connection, "_TOKEN_AGE", 0.0)
    in_pod = connection.in_cluster(ENVIRONMENT, mount)
    async with Connection(url, None, in_pod.authorization).session() as session:
        await session.get(url)
        (mount / "token").write_text("second")
        await session.get(url)
    assert known.seen == ["Bearer first", "Bearer second"]


async def test_without_a_service_account_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConnectionProblem, match="automountServiceAccountToken"):
        connection.in_cluster(ENVIRONMENT, tmp_path)
    with pytest.raises(ConnectionProblem, match="KUBERNETES_SERVICE_HOST"):
        connection.in_cluster({}, tmp_path)


async def test_a_kubeconfig_with_a_token(tmp_path: Path, server: tuple[Server, str]) -> None:
    known, url = server
    path = kubeconfig(tmp_path, url, {"token": "abc"})
    found = await connection.connect(path, environ={})
    async with found.session() as session:
        await session.get(found.server)
    assert known.seen == ["Bearer abc"]


async def test_a_kubeconfig_with_a_plugin(tmp_path: Path, server: tuple[Server, str]) -> None:
    """As clouds do it: a program prints the credentials."""
    known, url = server
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin", "expirationTimestamp": "2099-01-01T00:00:00Z"},
    }
    plugin = tmp_path / "plugin"
    runs = tmp_path / "runs"
    plugin.write_text(f"#!/bin/sh\necho x >> {runs}\necho '{json.dumps(credential)}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    path = kubeconfig(tmp_path, url, {"exec": {**exec_, "interactiveMode": "Never"}})
    found = await connection.connect(path, environ={})
    async with found.session() as session:
        for _ in range(3):
            await session.get(found.server)
    assert known.seen == ["Bearer from-plugin"] * 3
    assert runs.read_text().count("x") == 1


async def test_another_context_can_be_chosen(tmp_path: Path, server: tuple[Server, str]) -> None:
    known, url = server
    path = kubeconfig(tmp_path, url, {"token": "abc"})
    found = await connection.connect(path, "other", environ={})
    async with found.session() as session:
        await session.get(found.server)
    assert known.seen == [""]
    with pytest.raises(ConnectionProblem, match="no-such"):
        await connection.connect(path, "no-such", environ={})


async def test_the_default_kubeconfig_is_that_of_kubectl(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://127.0.0.1:1", {"token": "abc"})
    found = await connection.connect(environ={"KUBECONFIG": path})
    assert found.server == "http://127.0.0.1:1"
    with pytest.raises(ConnectionProblem, match="no-such-file"):
        await connection.connect(environ={"KUBECONFIG": str(tmp_path / "no-such-file")})


async def test_a_broken_kubeconfig_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("{}")
    with pytest.raises(ConnectionProblem, match="cannot use the kubeconfig"):
        await connection.connect(str(path), environ={})


async def test_the_server_name_of_a_kubeconfig_is_checked(tmp_path: Path) -> None:
    import certifi

    path = kubeconfig(
        tmp_path,
        "https://127.0.0.1:1",
        {"token": "abc"},
        **{"tls-server-name": "api.example", "certificate-authority": certifi.where()},
    )
    found = await connection.connect(path, environ={})
    assert found.tls_server_name == "api.example"
    assert found.tls is not None
    assert found.tls.check_hostname


async def test_a_proxy_of_the_environment_is_used(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        asked.append((request.raw_path, request.headers.get("Proxy-Authorization", "")))
        return web.Response()

    async def authorization() -> str:
        return ""

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy)
    async with TestServer(app) as running:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{running.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        distant = Connection("http://cluster.example", None, authorization)
        near = Connection(server[1], None, authorization)
        async with distant.session() as session:
            await session.get("http://cluster.example/api")
        async with near.session() as session:
            await session.get(server[1])
    assert asked == [("http://cluster.example/api", "Basic bWU6c2VjcmV0")]
    assert server[0].seen == [""]


@pytest.mark.slow
def test_a_pod_never_imports_the_typed_client() -> None:
    """It would be a quarter of the operator's memory, for nothing."""
    program = textwrap.dedent("""
        import sys
        import fraud_operator.app
        bad = [name for name in sys.modules if name.split(".")[0] in ("kubernetes", "boto3")]
        print(",".join(bad))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
