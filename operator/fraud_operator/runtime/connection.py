"""How to reach the API server, and as whom: inside a pod, or by a kubeconfig on a laptop.

In a pod it is the mounted ServiceAccount, read here directly; its token is rotated by the kubelet
and therefore read again every minute, and at once after a 401. A kubeconfig is read by
`kubernetes.aio.config`, which knows exec plugins, OIDC and the rest. That package is imported only
then: it drags the synchronous client in with it (20 MB and 0.7 s, measured; a quarter of what the
operator needs altogether), and a pod gets nothing for that.

Sessions are plain aiohttp sessions that sign themselves, so kopf can use one as well.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_AGE = 60.0
_CONNECTIONS = 64

Authorization = Callable[[], Awaitable[str]]
"""The value of the Authorization header as of now; empty where the TLS certificate speaks."""


class ConnectionProblem(Exception):
    """There is no way to the API server; the message says what to do."""


@dataclass(frozen=True)
class Connection:
    """Where the API server is and how requests to it are signed."""

    server: str
    tls: ssl.SSLContext | None
    authorization: Authorization
    namespace_of_pod: str | None = None
    """Where this process is a pod."""
    tls_server_name: str | None = None
    proxy: str | None = None

    def session(self, user_agent: str = "fraud-operator") -> aiohttp.ClientSession:
        """A new session; whoever asked for it closes it."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls or True, limit=_CONNECTIONS),
            middlewares=(_signing(_Cached(self.authorization), self.tls_server_name),),
            # aiohttp's trust_env would look for it in a thread, for every single request.
            proxy=self.proxy or _environments_proxy(self.server),
            headers={"User-Agent": user_agent, "Accept": "application/json"},
            read_bufsize=1 << 20,
        )


async def connect(
    kubeconfig: str = "", context: str = "", *, environ: Mapping[str, str] = os.environ
) -> Connection:
    """The way that was asked for; where nothing was, the pod's own, else the default kubeconfig.

    Raises ConnectionProblem.
    """
    in_pod = "KUBERNETES_SERVICE_HOST" in environ and SERVICE_ACCOUNT.joinpath("token").exists()
    if in_pod and not (kubeconfig or context or environ.get("KUBECONFIG")):
        return in_cluster(environ)
    return await from_kubeconfig(kubeconfig, context, environ=environ)


def in_cluster(environ: Mapping[str, str], root: Path = SERVICE_ACCOUNT) -> Connection:
    """As the pod's ServiceAccount. Raises ConnectionProblem where none is mounted."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConnectionProblem(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is not a pod"
        )
    try:
        tls = trusting(cafile=str(root / "ca.crt"))
        namespace = (root / "namespace").read_text().strip()
    except OSError as error:
        raise ConnectionProblem(
            f"cannot read the ServiceAccount under {root} ({error.strerror}):"
            " is automountServiceAccountToken off?"
        ) from None

    async def authorization() -> str:
        try:
            return f"Bearer {(root / 'token').read_text().strip()}"
        except OSError as error:
            raise ConnectionProblem(f"cannot read {root / 'token'}: {error.strerror}") from None

    where = f"[{host}]" if ":" in host else host
    return Connection(f"https://{where}:{port}", tls, authorization, namespace or None)


async def from_kubeconfig(
    path: str, context: str, *, environ: Mapping[str, str] = os.environ
) -> Connection:
    """As a kubeconfig says: `path`, else $KUBECONFIG, else ~/.kube/config; its current context
    unless another is named. Raises ConnectionProblem."""
    from kubernetes.aio import config
    from kubernetes.aio.client import Configuration

    where = _kubeconfigs(path, environ)
    settings = type.__call__(Configuration)
    try:
        loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=where,
            context=context or None,
            client_configuration=settings,
        )
        tls = _tls(settings) if settings.host.startswith("https:") else None
    except (config.ConfigException, OSError, ValueError) as error:
        raise ConnectionProblem(f"cannot use the kubeconfig {where}: {error}") from None

    async def authorization() -> str:
        await loader.load_and_set(settings)  # runs an exec plugin only when its token expired
        return str(settings.api_key.get("BearerToken", ""))

    return Connection(
        server=settings.host,
        tls=tls,
        authorization=authorization,
        tls_server_name=settings.tls_server_name or None,
        proxy=settings.proxy or None,
    )


def _environments_proxy(server: str) -> str | None:
    """What HTTPS_PROXY and its like say of that server."""
    where = urlsplit(server)
    if proxy_bypass(where.hostname or ""):
        return None
    return getproxies().get(where.scheme)


def _kubeconfigs(path: str, environ: Mapping[str, str]) -> str:
    where = path or environ.get("KUBECONFIG", "") or "~/.kube/config"
    files = [str(Path(file).expanduser()) for file in where.split(os.pathsep) if file]
    if not any(Path(file).is_file() for file in files):
        raise ConnectionProblem(
            f"there is no kubeconfig at {where}: name one with --kubeconfig or KUBECONFIG"
        )
    return os.pathsep.join(files)


def trusting(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """TLS that checks a server as kubectl does.

    Python 3.13 also insists on extensions (RFC 5280's authority key identifier among them) that the
    authorities of many running clusters never put into their certificates.
    """
    tls = ssl.create_default_context(cafile=cafile, cadata=cadata)
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return tls


def _tls(settings: object) -> ssl.SSLContext:
    """TLS as a kubeconfig asks for it."""
    cafile, cert, key, verify = (
        getattr(settings, name) for name in ("ssl_ca_cert", "cert_file", "key_file", "verify_ssl")
    )
    tls = trusting(cafile=cafile)
    if cert:
        tls.load_cert_chain(cert, keyfile=key)
    if not verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


class _Cached:
    """An Authorization that is asked for at most once a minute, or when it was refused."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._value = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def value(self, refused: str | None = None) -> str:
        """The header's value; not the one that was `refused`, where there is another."""
        async with self._lock:
            if time.monotonic() >= self._until or refused == self._value:
                self._value = await self._authorization()
                self._until = time.monotonic() + _TOKEN_AGE
            return self._value


def _signing(authorization: _Cached, tls_server_name: str | None) -> aiohttp.ClientMiddlewareType:
    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = tls_server_name
        value = await authorization.value()
        if value:
            request.headers["Authorization"] = value
        response = await handler(request)
        if response.status != 401 or not value:
            return response
        newer = await authorization.value(refused=value)
        if newer == value:
            return response
        response.release()
        request.headers["Authorization"] = newer
        return await handler(request)

    return sign
