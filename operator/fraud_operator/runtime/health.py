"""One port for whoever watches the operator: /healthz and /metrics.

/healthz is liveness: it answers as long as the event loop turns. A standby and an operator whose
API server is away are healthy; restarting them would not help.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from fraud_operator.runtime import metrics


class CannotListen(Exception):
    """The address cannot be had; the message says what to do."""


@contextlib.asynccontextmanager
async def serving(host: str, port: int) -> AsyncIterator[int]:
    """Serve while the context lasts; gives the port (port 0: any free one). Raises CannotListen."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {host}:{port} ({error.strerror or error}): choose another"
                " address with --listen HOST:PORT, or :0 for any free port"
            ) from None
        yield runner.addresses[0][1]
    finally:
        await asyncio.shield(runner.cleanup())


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(
        body=metrics.exposition(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
