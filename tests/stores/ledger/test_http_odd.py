"""Whatever callers send to the routes about records is answered, and found again."""

from __future__ import annotations

import json
from urllib.parse import quote

import httpx
import pytest

from tests.support.ledger import Connection, count
from tests.support.records_api import JSON, LABEL, NDJSON, send

ODD = [
    "a\tb\\N\n\x00",
    "\\.",
    "';--",
    "ü\u2028",
    "%",
    "a/b",
    "\U0001d4b3" * 128,
    '{"a": 1}',
    "{id}",
]
NOBODY = "00000000-0000-0000-0000-000000000000"
PATHS = [
    "/v1/transactions/%FF%FE",
    "/v1/transactions/%00",
    f"/v1/transactions/{'x' * 10_000}",
    "/v1/users/%ED%A0%80/features?limit=%F0",
    "/v1/lists?id=%FF&kind=%00",
    "/v1/lists?after=99999999999999999999",
    "/v1/lists?limit=²",
    f"/v1/users/a/features?after=0001-01-01T00:00:00%2B14:00~{NOBODY}~-9",
    f"/v1/users/a/features?after=2026-01-01T00:00:00Z~{NOBODY}~{'9' * 30}",
    "/v1/users/a/features?before=0001-01-01T00:00:00%2B14:00",
    "/v1/users/a/features?before=9999-12-31T23:59:59-14:00",
]
BODIES = [
    b"", b"[]", b"null", b"[null]", b"{}", b'"\\ud800"', b"\xff", b"[" * 5000, b"9" * 5000,
    json.dumps(LABEL | {"event_time": "9999-12-31T23:59:59-14:00"}).encode(),
    json.dumps(LABEL | {"event_time": "0001-01-01T00:00:00+14:00"}).encode(),
    json.dumps(LABEL | {"event_time": 5}).encode(),
    json.dumps(LABEL | {"source": "\ud800"}).encode(),
    b"\n\n", b"{}\n{}",
]  # fmt: skip


async def test_odd_ids_are_found_again(client: httpx.AsyncClient, connection: Connection) -> None:
    for odd in ODD:
        await found_again(client, odd)
    assert count(connection, "access_log") == 3 * len(ODD)


async def found_again(client: httpx.AsyncClient, odd: str) -> None:
    """As a transaction, a user and an entity on a list."""
    label = LABEL | {"transaction_id": odd, "source": odd}
    sent = await send(client, label, key=f"k{ODD.index(odd)}", by="\x7f")
    assert sent.json() == {"new": 1, "known": 0, "unmatched": 1}
    found = await client.get(f"/v1/transactions/{quote(odd, safe='')}")
    assert [one["source"] for one in found.json()["labels"]] == [odd.replace("\x00", "\ufffd")]
    user = await client.get(f"/v1/users/{quote(odd, safe='')}/features")
    assert user.json()["history"] == []
    word = {"list": "deny", "action": "add", "kind": "card", "id": odd, "reason": odd}
    assert (await send(client, word, to="/v1/lists")).json()["added"] == 1
    listed = await client.get("/v1/lists", params={"id": odd})
    assert [one["id"] for one in listed.json()["words"]] == [odd.replace("\x00", "\ufffd")]


async def test_odd_paths_are_no_failure(client: httpx.AsyncClient) -> None:
    answers = {path: (await client.get(path)).status_code for path in PATHS}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize("route", ["/v1/labels", "/v1/lists"])
async def test_odd_bodies_are_no_failure(client: httpx.AsyncClient, route: str) -> None:
    failed = [
        (kind, body)
        for kind in (JSON, NDJSON)
        for body in BODIES
        if (await client.post(route, content=body, headers=kind)).status_code >= 500
    ]
    assert failed == []
