"""Which cluster and which namespace a command is about, as kubectl would have it.

A kubeconfig whose user has a certificate or a token is read here, in a few milliseconds. Whatever
else it holds (exec plugins, OIDC, cloud providers) is left to `runtime.connection`, whose library
knows it and takes a second to load.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fraud_operator.runtime.connection import (
    SERVICE_ACCOUNT,
    Connection,
    ConnectionProblem,
    from_kubeconfig,
    in_cluster,
    trusting,
)

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_QUICK_USER = {
    "client-certificate", "client-certificate-data", "client-key", "client-key-data",
    "token", "tokenFile",
}  # fmt: skip
_QUICK_CLUSTER = {
    "server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify",
    "tls-server-name", "proxy-url",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """The API server, and the namespace that is meant where none is named."""

    connection: Connection
    namespace: str


async def target(
    kubeconfig: str, context: str, *, environ: Mapping[str, str] = os.environ
) -> Target:
    """What `--kubeconfig`, `--context` and the environment say. Raises ConnectionProblem."""
    in_pod = "KUBERNETES_SERVICE_HOST" in environ and SERVICE_ACCOUNT.joinpath("token").exists()
    if in_pod and not (kubeconfig or context or environ.get("KUBECONFIG")):
        connection = in_cluster(environ)
        return Target(connection, connection.namespace_of_pod or "default")

    config = _Config(_files(kubeconfig, environ))
    chosen = config.context(context)
    namespace = chosen.get("namespace") or "default"
    cluster = config.named("clusters", "cluster", chosen.get("cluster", ""))
    user = config.named("users", "user", chosen.get("user", "")) if chosen.get("user") else {}
    if set(user) <= _QUICK_USER and set(cluster) <= _QUICK_CLUSTER:
        return Target(_connection(cluster, user, config), namespace)
    return Target(await from_kubeconfig(kubeconfig, context, environ=environ), namespace)


def _files(path: str, environ: Mapping[str, str]) -> list[Path]:
    where = path or environ.get("KUBECONFIG", "") or "~/.kube/config"
    parts = [path] if path else where.split(os.pathsep)
    files = [Path(part).expanduser() for part in parts if part]
    found = [file for file in files if file.is_file()]
    if not found:
        raise ConnectionProblem(
            f"there is no kubeconfig at {where}: name one with --kubeconfig or KUBECONFIG"
        )
    return found


class _Config:
    """Several kubeconfigs as one: the first that names something wins, as with kubectl."""

    def __init__(self, files: list[Path]) -> None:
        self.files = ", ".join(map(str, files))
        self._current = ""
        self._entries: dict[tuple[str, str], dict[str, Any]] = {}
        for file in files:
            self._add(file)

    def context(self, name: str) -> dict[str, Any]:
        """The context of that name, else the current one."""
        name = name or self._current
        if not name:
            raise ConnectionProblem(
                f"{self.files} has no current context: choose one with --context, or with"
                " kubectl config use-context"
            )
        return self.named("contexts", "context", name)

    def named(self, section: str, what: str, name: str) -> dict[str, Any]:
        """An entry of one of the sections."""
        entry = self._entries.get((section, name))
        if entry is None:
            known = sorted(key for of, key in self._entries if of == section)
            raise ConnectionProblem(
                f"{self.files} has no {what} {name!r}; it has: {', '.join(known) or 'none'}"
            )
        return entry

    def _add(self, file: Path) -> None:
        try:
            config = yaml.load(file.read_text(encoding="utf-8"), _Loader) or {}  # noqa: S506
            self._current = self._current or config.get("current-context") or ""
            for section in ("clusters", "users", "contexts"):
                for entry in config.get(section) or ():
                    value = _anchored(entry.get(section[:-1]) or {}, file.parent)
                    self._entries.setdefault((section, entry["name"]), value)
        except (
            OSError,
            UnicodeDecodeError,
            yaml.YAMLError,
            AttributeError,
            KeyError,
            TypeError,
        ) as error:
            raise ConnectionProblem(f"cannot use the kubeconfig {file}: {error}") from None


def _anchored(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Paths are meant relative to the kubeconfig that names them."""
    paths = {"certificate-authority", "client-certificate", "client-key", "tokenFile"}
    return {
        key: str(folder / value) if key in paths and value else value
        for key, value in entry.items()
        if value not in (None, "")
    }


def _connection(cluster: Mapping[str, Any], user: Mapping[str, Any], config: _Config) -> Connection:
    server = str(cluster.get("server", "")).rstrip("/")
    if not server:
        raise ConnectionProblem(f"{config.files}: the cluster has no server")
    try:
        tls = _tls(cluster, user) if server.startswith("https:") else None
    except (OSError, ValueError) as error:
        raise ConnectionProblem(f"{config.files}: cannot use the certificates: {error}") from None

    async def authorization() -> str:
        token = _token(user)
        return f"Bearer {token}" if token else ""

    return Connection(
        server=server,
        tls=tls,
        authorization=authorization,
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


def _token(user: Mapping[str, Any]) -> str:
    if token := user.get("token", ""):
        return str(token)
    try:
        return Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
    except KeyError:
        return ""
    except OSError as error:
        raise ConnectionProblem(f"cannot read the token: {error}") from None


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _bytes(cluster, "certificate-authority")
    tls = trusting(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = _bytes(user, "client-certificate"), _bytes(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile(prefix="kubectl-fraud-") as pair:  # 0600; ssl reads files
            pair.write(certificate + b"\n" + key)
            pair.flush()
            tls.load_cert_chain(pair.name)
    return tls


def _bytes(entry: Mapping[str, Any], name: str) -> bytes:
    """What an entry holds itself, or in a file; the former wins."""
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(entry[name]).read_bytes() if entry.get(name) else b""
