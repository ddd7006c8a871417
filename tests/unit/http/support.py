"""Both ports of a scorer on the loopback, and raw sockets to speak to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from fraud_scorer.http.api import api
from fraud_scorer.http.asgi import Application
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.management import management
from fraud_scorer.http.readiness import Readiness
from fraud_scorer.http.server import bind, running
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry

LOOPBACK = ("127.0.0.1", 0)


@dataclass
class Running:
    """A scorer whose parts a test can reach."""

    port: int
    management_port: int
    registry: ModelRegistry
    readiness: Readiness
    application: Application
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
    limits: Limits | None = None,
    patience: float = 30.0,
) -> AsyncIterator[Running]:
    """A scorer that answers with `model`, as `serve` puts it together."""
    readiness, metrics, registry = Readiness(), Metrics(), ModelRegistry()
    pipeline = Pipeline(registry, metrics, patience=patience)
    application = api(pipeline, metrics, limits or Limits())
    if model is not None:
        registry.install(model)
        registry.activate(model.revision)
        metrics.serving(model)
        readiness.set_ready()
    with bind(LOOPBACK) as api_socket, bind(LOOPBACK) as management_socket:
        port, management_port = (one.getsockname()[1] for one in (api_socket, management_socket))
        async with (
            running(application, api_socket, 5),
            running(management(readiness, metrics), management_socket, 5),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{management_port}") as other,
        ):
            yield Running(port, management_port, registry, readiness, application, client, other)


def problem(response: httpx.Response) -> dict[str, Any]:
    """The problem document in an answer, after checking that it is one."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"].startswith("urn:fraudops:problem:")
    assert document["title"]
    assert document["detail"]
    return document
