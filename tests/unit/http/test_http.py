"""HTTP as such: paths, methods, media types, limits, and what is not HTTP at all."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.limits import Limits
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, problem, scorer
from tests.unit.scorer.support import transaction

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = json.dumps(transaction()).encode()
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/json\r\n"


async def test_an_unknown_path(shared: Running) -> None:
    for path in ("/v1", "/v1/score/", "/V1/SCORE", "/metrics", "/%2e%2e/etc/passwd"):
        response = await shared.client.get(path)
        assert response.status_code == 404
        assert "/v1/score" in problem(response)["detail"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_a_wrong_method(shared: Running, method: str) -> None:
    response = await shared.client.request(method, "/v1/score")
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"
    if method != "HEAD":
        assert "OPTIONS, POST" in problem(response)["detail"]


async def test_head_and_options(shared: Running) -> None:
    options = await shared.client.options("/health")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    head = await shared.client.head("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_another_media_type(shared: Running, headers: dict[str, str]) -> None:
    response = await shared.client.post("/v1/score", content=BODY, headers=headers)
    assert response.status_code == 415
    problem(response)


async def test_a_body_that_is_not_wanted_is_read_before_the_answer(shared: Running) -> None:
    """Closing while the client still writes would reset the connection, and lose the answer."""
    reader, writer = await shared.connect()
    head = b"POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: text/plain\r\n"
    writer.write(head + b"Content-Length: 200000\r\n\r\n" + b" " * 100_000)
    await writer.drain()
    assert (await shared.score(transaction())).status_code == 200
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    writer.write(b" " * 100_000)
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 415 ")
    writer.close()


async def test_json_may_say_that_it_is_utf_8(shared: Running) -> None:
    headers = {"content-type": 'Application/JSON; charset="UTF-8"'}
    response = await shared.client.post("/v1/score", content=BODY, headers=headers)
    assert response.status_code == 200


async def test_a_body_in_chunks(shared: Running) -> None:
    chunks = [BODY[:10], BODY[10:11], BODY[11:]]
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = await shared.exchange(head + data + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_requests_in_one_connection_are_answered_in_order(shared: Running) -> None:
    post = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    get = b"GET /health HTTP/1.1\r\nHost: scorer\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: scorer\r\nConnection: close\r\n\r\n"
    answer = await shared.exchange(post + get + post + last)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"200", b"200", b"404"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(model: LoadedModel, hot: bool) -> AsyncIterator[Running]:
    """A scorer that takes little, and not for long."""
    async with scorer(
        model,
        hot=hot,
        limits=Limits(body_bytes=1000, body_seconds=0.2),
        connections=ConnectionLimits(head_bytes=2000, head_seconds=0.2, body_seconds=0.2),
    ) as running:
        yield running


async def test_a_body_that_says_it_is_too_large(small: Running) -> None:
    response = await small.score(b" " * 1001)
    assert response.status_code == 413
    assert "at most 1000 bytes" in problem(response)["detail"]
    assert response.headers["connection"] == "close"


async def test_a_body_that_turns_out_too_large(small: Running) -> None:
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = await small.exchange(head + chunk * 3 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


async def pour(writer: asyncio.StreamWriter) -> None:
    """Write chunks of a body until the other side has had enough."""
    while True:
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()


async def test_an_endless_body_is_cut_off(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot, limits=Limits(body_bytes=1000, body_seconds=30)) as running:
        _, writer = await running.connect()
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(pour(writer), 30)
        writer.close()


async def test_a_client_that_asks_before_sending_is_told_at_once(small: Running) -> None:
    head = HEAD + b"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    answer = await small.exchange(head)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_asks_before_sending_may_go_on(shared: Running) -> None:
    reader, writer = await shared.connect()
    head = HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    writer.write(head % len(BODY))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_body_that_never_ends(small: Running) -> None:
    answer = await small.exchange(HEAD + b"Content-Length: 500\r\n\r\n" + BODY[:100])
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_leaves_harms_nobody(shared: Running) -> None:
    _, writer = await shared.connect()
    writer.write(HEAD + b"Content-Length: 500\r\n\r\n" + BODY[:100])
    await writer.drain()
    writer.close()
    assert (await shared.score(transaction())).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/score HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/score HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http(shared: Running, data: bytes) -> None:
    answer = await shared.exchange(data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["type"] == "urn:fraudops:problem:bad-http"


async def test_what_waited_too_long_is_told_when_to_come_back(
    model: LoadedModel, hot: bool
) -> None:
    async with scorer(model, hot=hot, patience=-1) as running:
        answer = await running.score(transaction())
        assert answer.status_code == 503
        assert problem(answer)["type"].endswith(":overloaded")
        assert answer.headers["retry-after"] == "1"
        assert "fraud_scorer_shed_total 1.0" in (await running.management.get("/metrics")).text


async def test_a_server_that_goes_away_says_so(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot) as running:
        assert "connection" not in (await running.score(transaction())).headers
        running.application.closing = True
        response = await running.score(transaction())
        assert (response.status_code, response.headers["connection"]) == (200, "close")
