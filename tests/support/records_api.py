"""The routes about records as an ASGI application, and what tests send to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fraud_scorer.http.asgi import Application
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.records.access import RecordsAccess
from fraud_scorer.http.records.postgres import PostgresLedger
from fraud_scorer.http.records.routes import Records, routes
from fraud_scorer.ledger.database import Database
from fraud_scorer.pipeline.context import Context

LABEL: dict[str, object] = {
    "transaction_id": "tx-10",
    "label": "chargeback",
    "event_time": "2026-01-05T10:00:00Z",
    "observed_at": "2026-02-03T09:00:00+01:00",
    "source": "visa",
}
LIMITS = Limits(batch_items=50)
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


def who(headers: Any) -> Context:
    """The caller says it, here."""
    return Context(headers.get(b"x-who", b"anonymous").decode(), received=0.0, deadline=0.0)


@asynccontextmanager
async def api(
    database: Database, *, threads: int = 2, patience: float = 20.0, idle: float = 60.0,
    **records: Any,
) -> AsyncIterator[httpx.AsyncClient]:  # fmt: skip
    """A client of it; `records` are the fields of Records."""
    access = RecordsAccess(database, threads=threads, patience=patience, idle=idle)
    ledger = PostgresLedger(access, refreshed="refreshing" in records)
    made = Records(ledger, access, **records)
    transport = httpx.ASGITransport(Application(routes(made, who, LIMITS)))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://scorer", headers={"x-who": "ann"}
    ) as client:
        yield client
    await made.aclose()


async def send(
    client: httpx.AsyncClient, what: Any, *, to: str = "/v1/labels", lines: bool = False,
    key: str = "", by: str = "ann",
) -> httpx.Response:  # fmt: skip
    """POST it, as JSON or a line each."""
    content = "\n".join(json.dumps(one) for one in what) if lines else json.dumps(what)
    headers = {**(NDJSON if lines else JSON), "x-who": by}
    if key:
        headers["idempotency-key"] = key
    return await client.post(to, content=content, headers=headers)


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document in an answer, after checking that it is that one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:fraudops:problem:{slug}"
    return document


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 -- a test looks on from outside
            await asyncio.sleep(0.05)
