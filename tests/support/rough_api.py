"""An API server that behaves badly: the real one, with a proxy in front that slows it, throttles it
or takes it away.

Runs in a thread of this process, speaks plain HTTP on loopback and passes tokens on. What it is to
do can be changed at any time; connections that are open when the server goes away are cut.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.support.process import Installation

_HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}
_TOO_MANY = {
    "apiVersion": "v1",
    "kind": "Status",
    "status": "Failure",
    "reason": "TooManyRequests",
    "message": "the server has received too many requests and has asked us to try again later",
    "code": 429,
}


class RoughApi:
    """The proxy, and what it does at the moment."""

    def __init__(self, upstream: str, tls: ssl.SSLContext) -> None:
        self._upstream = upstream
        self._tls = tls
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self.url = ""
        self.requests = 0
        """How many arrived, whatever became of them."""
        self.delay = 0.0
        """Seconds before each is passed on."""
        self.throttled = ""
        """The Retry-After of the 429 that each is answered; empty: none is."""
        self.gone = False
        """Whether connections are cut as soon as they ask for something."""
        self.holds: Callable[[str, str, bytes], bool] = lambda method, path, body: False
        """Which requests, by method, path and body, are kept back until `let_go`."""
        self.held: list[int] = []
        """What those were answered that were kept back; 0 while one of them is."""
        self._let_go = asyncio.Event()

    @contextmanager
    def away(self) -> Iterator[None]:
        """While the context lasts there is no API server."""
        self.gone = True
        self._loop.call_soon_threadsafe(self._cut)
        try:
            yield
        finally:
            self.gone = False

    def let_go(self) -> None:
        """Pass on what is kept back."""
        self.holds = lambda method, path, body: False
        self._loop.call_soon_threadsafe(self._let_go.set)

    async def serve(self, ready: Callable[[], None], over: asyncio.Event) -> None:
        """Until it is over."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as self._session:
            app = web.Application(client_max_size=1 << 26)
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready()
            await over.wait()
            self._cut()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        transport = request.transport
        assert transport is not None
        if self.gone:
            transport.abort()
            return web.Response()
        if self.throttled:
            return web.json_response(_TOO_MANY, status=429, headers={"Retry-After": self.throttled})
        await asyncio.sleep(self.delay)
        self._open.add(transport)
        try:
            return await self._answer(request)
        finally:
            self._open.discard(transport)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        kept_back = self.holds(request.method, request.path, body)
        if kept_back:
            self.held.append(0)
            at = len(self.held) - 1
            await self._let_go.wait()
        async with self._session.request(
            request.method, self._upstream + request.raw_path, headers=headers, data=body or None
        ) as answer:
            if kept_back:
                self.held[at] = answer.status
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    def _cut(self) -> None:
        for transport in self._open:
            transport.abort()


@contextmanager
def rough_api(installation: Installation) -> Iterator[tuple[RoughApi, Path]]:
    """A proxy, well-behaved at first, and a kubeconfig of the operator that leads to it."""
    config: dict[str, Any] = yaml.safe_load(installation.kubeconfig().read_text())
    cluster = config["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster.pop("certificate-authority-data")).decode()
    rough = RoughApi(cluster["server"], ssl.create_default_context(cadata=authority))
    started, over = threading.Event(), asyncio.Event()

    thread = threading.Thread(
        target=lambda: rough._loop.run_until_complete(rough.serve(started.set, over)),
        name="rough API server",
    )
    thread.start()
    try:
        assert started.wait(10)
        cluster["server"] = rough.url
        path = installation.folder / "rough.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        yield rough, path
    finally:
        rough._loop.call_soon_threadsafe(over.set)
        thread.join(10)
