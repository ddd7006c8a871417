"""Both ports of a scorer on the loopback, and raw sockets to speak to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from fraud_scorer.counters import SharedCounters
from fraud_scorer.http.api import api, hot_route
from fraud_scorer.http.asgi import Application
from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.exposition import Exposition
from fraud_scorer.http.lag import Lag
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.management import management
from fraud_scorer.http.readiness import Readiness
from fraud_scorer.http.server import Server, running
from fraud_scorer.http.sockets import bind
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.pipeline.stages import PLAIN, Stages
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry
from tests.unit.scorer.support import transaction

LOOPBACK = ("127.0.0.1", 0)


@dataclass
class Running:
    """A scorer whose parts a test can reach."""

    port: int
    management_port: int
    registry: ModelRegistry
    readiness: Readiness
    application: Application
    server: Server
    client: httpx.AsyncClient
    management: httpx.AsyncClient

    async def score(self, body: object) -> httpx.Response:
        """POST a transaction, given as what it is in JSON (NaN included) or as bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(
            "/v1/score", content=content, headers={"content-type": "application/json"}
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection to the API port."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def answers(self, data: bytes) -> list[Answer]:
        """All that is answered to these bytes, by the end of the connection."""
        reader, writer = await self.connect()
        writer.write(data)
        found = []
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                found.append(await read_answer(reader))
        writer.close()
        return found

    async def exchange(self, data: bytes) -> bytes:
        """What comes back for these bytes until the server closes."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


@asynccontextmanager
async def scorer(
    model: LoadedModel | None,
    *,
    hot: bool = True,
    limits: Limits | None = None,
    connections: ConnectionLimits | None = None,
    lag: Lag | None = None,
    patience: float = 30.0,
    stages: Stages = PLAIN,
) -> AsyncIterator[Running]:
    """A scorer that answers with `model`, as a serving process puts it together.

    Without `hot` everything takes the way of ASGI. `lag` decides what is turned away. `stages`:
    what it has besides.
    """
    limits = limits or Limits()
    counters = SharedCounters(1)
    readiness, metrics, registry = Readiness(), Metrics(counters.slots[0]), ModelRegistry()
    later = asyncio.get_running_loop().call_soon
    pipeline = Pipeline(registry, metrics, patience=patience, later=later, stages=stages)
    lag = lag or Lag(1.0)
    application = api(pipeline, metrics, limits, lag)
    route = hot_route(application, pipeline, metrics, limits, lag)
    shown = management(readiness, Exposition(counters.slots, lambda: readiness.ready))
    if model is not None:
        registry.install(model)
        registry.activate(model.revision)
        readiness.set_ready()
    with bind(LOOPBACK) as api_socket, bind(LOOPBACK) as management_socket, lag.watching():
        port, management_port = (one.getsockname()[1] for one in (api_socket, management_socket))
        async with (
            running(
                application,
                api_socket,
                5,
                limits=connections,
                hot=route if hot else None,
            ) as server,
            running(shown, management_socket, 5),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{management_port}") as other,
        ):
            yield Running(
                port, management_port, registry, readiness, application, server, client, other
            )


POST = b"POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/json\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODY = json.dumps(transaction()).encode()


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    """A request for a score, with its length and with these headers besides."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (POST, lines, len(body), body)


def get(path: bytes = b"/health", *headers: bytes) -> bytes:
    """A request without a body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"GET %b HTTP/1.1\r\nHost: scorer\r\n%b\r\n" % (path, lines)


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether it says that the connection ends with it."""
        return self.headers.get("connection") == "close"


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer of a connection, after any `100 Continue`."""
    head = CONTINUE
    while head == CONTINUE:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    status, *lines = head[:-4].decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 10)
    return Answer(int(status.split()[1]), headers, body)


async def ask(running: Running, data: bytes) -> Answer:
    """The first answer to these bytes."""
    reader, writer = await running.connect()
    writer.write(data)
    answer = await read_answer(reader)
    writer.close()
    return answer


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 -- a test looks on from outside
            await asyncio.sleep(0)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes, once the connection has ended."""
    return not await asyncio.wait_for(reader.read(), 10)


def problem(response: httpx.Response) -> dict[str, Any]:
    """The problem document in an answer, after checking that it is one."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"].startswith("urn:fraudops:problem:")
    assert document["title"]
    assert document["detail"]
    return document
