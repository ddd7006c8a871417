"""One port from start to end: uvicorn, told when to stop by whoever started it.

At its end a server takes what waits in its accept queue, answers everything that came, and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from fraud_scorer.http.asgi import Application
from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.hot import HotRoute
from fraud_scorer.http.protocol import HttpProtocol

_BACKLOG = 2048


@contextlib.asynccontextmanager
async def running(
    application: Application,
    bound: socket.socket,
    shutdown: float,
    *,
    limits: ConnectionLimits | None = None,
    hot: HotRoute | None = None,
) -> AsyncIterator[Server]:
    """An HTTP server for the time of a `with`; at its end, requests under way are finished, for at
    most `shutdown` seconds."""
    protocol = functools.partial(
        HttpProtocol,
        limits=limits or ConnectionLimits(),
        hot=hot,
    )
    server = Server(
        application,
        bound,
        uvicorn.Config(
            application,
            http=protocol,  # type: ignore[arg-type]
            ws="none",
            loop="uvloop",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=shutdown,  # type: ignore[arg-type]
        ),
    )
    task = asyncio.create_task(server.serve([bound]))
    try:
        while not server.started:
            await asyncio.sleep(0)
            if task.done():
                task.result()
        yield server
    finally:
        server.stop()
        await task


class Server(uvicorn.Server):
    """Leaves signals to whoever started it, and waits to be stopped instead of looking ten times a
    second."""

    def __init__(
        self, application: Application, listening: socket.socket, config: uvicorn.Config
    ) -> None:
        super().__init__(config)
        self._application = application
        self.listening = [listening]
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, but take the connections that were made already: a client cannot tell that nobody
        has accepted its own yet, and closing the socket would reset it."""
        self._application.closing = True
        accepted = [one for listening in sockets or [] for one in accept_queue(listening)]
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        loop = asyncio.get_running_loop()
        for one in accepted:
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(self._connection, one)
        await super().shutdown(sockets)

    def _connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def accept_queue(listening: socket.socket) -> Iterator[socket.socket]:
    """The connections that nobody has accepted yet."""
    while True:
        try:
            yield listening.accept()[0]
        except OSError:  # none is left, or the one at the head is gone already
            return
