"""Both ports, from start to drain.

    bind both -> management up -> model loaded and proven -> API up, ready
    SIGTERM   -> not ready -> (drain) still answering -> API down -> management down
    again     -> no more draining

The API port listens only once a model is proven. While draining, requests are answered as before,
but each answer ends its connection, so that clients connect to another pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import uvicorn

from fraud_scorer.http.api import api
from fraud_scorer.http.asgi import Application
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.management import management
from fraud_scorer.http.protocol import HttpProtocol
from fraud_scorer.http.readiness import Readiness
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry

_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048

_log = logging.getLogger(__name__)

Load = Callable[[Readiness], Awaitable[LoadedModel]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve. Times are seconds.

    `drain`: how long to go on answering after SIGTERM, until no load balancer sends any more.
    `shutdown`: how long to wait for requests under way after that. `patience`: after which time an
    answer is worth nothing.
    """

    listen: tuple[str, int]
    management: tuple[str, int]
    drain: float = 5.0
    shutdown: float = 20.0
    patience: float = 2.0
    limits: Limits = field(default_factory=Limits)


async def serve(settings: Settings, load: Load) -> None:
    """Serve until SIGTERM or SIGINT. Raises whatever `load` raises, and OSError on a taken port."""
    readiness, metrics, registry = Readiness(), Metrics(), ModelRegistry()
    pipeline = Pipeline(registry, metrics, patience=settings.patience)
    api_application = api(pipeline, metrics, settings.limits)
    stop = _Stop()
    with bind(settings.listen) as api_socket, bind(settings.management) as management_socket:
        addresses = {"listen": address(api_socket), "management": address(management_socket)}
        async with running(management(readiness, metrics), management_socket, settings.shutdown):
            _log.info("loading", extra=addresses)
            loaded = await _unless(stop.asked, load(readiness))
            if loaded is None:
                return
            registry.install(loaded)
            registry.activate(loaded.revision)
            metrics.serving(loaded)
            async with running(api_application, api_socket, settings.shutdown):
                readiness.set_ready()
                _log.info(
                    "ready",
                    extra={
                        "model": loaded.name,
                        "version": loaded.version,
                        "digest": loaded.digest,
                        "revision": loaded.revision,
                        **addresses,
                    },
                )
                await stop.asked.wait()
                readiness.set_not_ready("Terminating", "the process is going away")
                _log.info("draining", extra={"seconds": settings.drain})
                api_application.closing = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.insisted.wait(), settings.drain)
                _log.info("closing")
    _log.info("stopped")


@contextlib.contextmanager
def bind(where: tuple[str, int]) -> Iterator[socket.socket]:
    """A bound socket that does not listen yet. Raises OSError, naming the address."""
    host, port = where
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, an
    # answer may wait 40 ms for the client to acknowledge its header.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {host}:{port}: {error.strerror}"
            ) from None
        yield bound


def address(bound: socket.socket) -> str:
    """Where a socket is bound, as host:port."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.asynccontextmanager
async def running(
    application: Application, bound: socket.socket, shutdown: float
) -> AsyncIterator[None]:
    """An HTTP server for the time of a `with`; at its end, requests under way are finished."""
    server = _Server(
        uvicorn.Config(
            application,
            http=HttpProtocol,
            ws="none",
            loop="uvloop",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=shutdown,  # type: ignore[arg-type]
        )
    )
    task = asyncio.create_task(server.serve([bound]))
    try:
        while not server.started:
            await asyncio.sleep(0)
            if task.done():
                task.result()
        yield
    finally:
        server.stop()
        await task


class _Server(uvicorn.Server):
    """Leaves signals to `serve`, where they mean more than that one port closes, and waits to be
    stopped instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Take no more connections, and finish what is under way."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Keep the Date header right."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 1)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Stop:
    """SIGTERM and SIGINT, the first time and the second."""

    def __init__(self) -> None:
        self.asked, self.insisted = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if self.asked.is_set():
            self.insisted.set()
        self.asked.set()


async def _unless(stop: asyncio.Event, work: Awaitable[LoadedModel]) -> LoadedModel | None:
    """The work's result, or None where the process is to stop before."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        return None
    return working.result()
