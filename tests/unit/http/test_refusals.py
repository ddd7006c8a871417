"""What is not answered as a request: it gets a problem, in its turn, and the connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.limits import Limits
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import (
    BODY,
    POST,
    Running,
    ask,
    ended,
    get,
    post,
    read_answer,
    scorer,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

LENGTH = b"Content-Length: %d\r\n" % len(BODY)
LINE = b"POST /v1/score HTTP/1.1\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)

REFUSED = {
    "two lengths": POST + LENGTH + LENGTH + b"\r\n" + BODY,
    "two unequal lengths": POST + LENGTH + b"Content-Length: 1\r\n\r\n" + BODY,
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\n{",
    "no number": POST + b"Content-Length: +1\r\n\r\n{",
    "length and chunks": POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "another coding": POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    "a coding before chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "a coding after chunks": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
    "a coding twice": POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNKS,
    "another coding in a line of its own": POST
    + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKS,
    "two compressions": post(b"Content-Encoding: gzip", b"Content-Encoding: identity"),
    "a bare line feed": POST.replace(b"scorer\r\n", b"scorer\n") + LENGTH + b"\r\n" + BODY,
    "only line feeds": (POST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "a line feed at the end": POST + LENGTH + b"\n" + BODY,
    "a line feed in chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n1\n{\r\n0\r\n\r\n",
    "a bare carriage return": POST + b"X: a\rY: b\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded line": POST + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "a line folded by a tab": POST + b"X: a\r\n\tb\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded length": POST + b"Content-Length:\r\n %d\r\n\r\n" % len(BODY) + BODY,
    "space before a colon": POST + b"Content-Length : %d\r\n\r\n" % len(BODY) + BODY,
    "a zero byte": POST + b"X: a\x00b\r\n" + LENGTH + b"\r\n" + BODY,
    "no host": LINE + JSON + LENGTH + b"\r\n" + BODY,
    "two hosts": POST + b"Host: other\r\n" + LENGTH + b"\r\n" + BODY,
    "the same host twice": POST + b"Host: scorer\r\n" + LENGTH + b"\r\n" + BODY,
    "two media types": POST + JSON + LENGTH + b"\r\n" + BODY,
    "upgrade": post(b"Connection: Upgrade", b"Upgrade: h2c"),
    "upgrade and keep": post(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket"),
    "upgrade elsewhere": get(b"/health", b"Connection: Upgrade", b"Upgrade: websocket"),
    "connect": b"CONNECT scorer:80 HTTP/1.1\r\nHost: scorer\r\n\r\n",
    "no path": b"OPTIONS * HTTP/1.1\r\nHost: scorer\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": post().replace(b"HTTP/1.1", b"HTTP/1.2"),
    "version 2.0": post().replace(b"HTTP/1.1", b"HTTP/2.0"),
    "version 0.9": b"GET /health\r\n\r\n",
    "another method": post().replace(b"POST", b"SCORE"),
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nonsense": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
async def test_it_is_refused(shared: Running, data: bytes) -> None:
    reader, writer = await shared.connect()
    writer.write(data + post())
    answer = await read_answer(reader)
    assert (answer.status, answer.last) == (400, True)
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["type"] == "urn:fraudops:problem:bad-http"
    assert await ended(reader)
    writer.close()


@pytest.mark.parametrize("name", ["two lengths", "no host", "upgrade", "nonsense"])
async def test_it_is_refused_in_its_turn(shared: Running, name: str) -> None:
    for before in (post(), get(), get() + post(), post() + get()):
        answers = await shared.answers(before + REFUSED[name] + post())
        statuses = [answer.status for answer in answers]
        assert statuses == [200] * before.count(b"HTTP/1.1\r\n") + [400]
        assert [answer.last for answer in answers] == [False] * (len(answers) - 1) + [True]


async def test_it_is_refused_in_pieces_too(shared: Running) -> None:
    for data in REFUSED.values():
        reader, writer = await shared.connect()
        for at in range(0, len(data), 5):
            writer.write(data[at : at + 5])
            await asyncio.sleep(0)
        assert (await read_answer(reader)).status == 400
        assert await ended(reader)
        writer.close()


async def test_a_body_that_turns_out_broken_takes_its_request_back(shared: Running) -> None:
    start = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"
    for before in (b"", post(), get() + post() + get()):
        reader, writer = await shared.connect()
        writer.write(before + start)
        await writer.drain()
        for _ in range(before.count(b"HTTP/1.1\r\n")):
            assert (await read_answer(reader)).status == 200
        writer.write(b"what is this\r\n")
        answer = await read_answer(reader)
        assert (answer.status, answer.last) == (400, True)
        assert await ended(reader)
        writer.close()


@pytest.mark.parametrize("target", [b"http://", b"http://[::1/v1/score"])
async def test_what_is_wrong_with_a_target_is_said(shared: Running, target: bytes) -> None:
    answer = await ask(shared, post().replace(b"/v1/score", target))
    assert answer.status == 400
    assert "target" in json.loads(answer.body)["detail"]


async def test_trailers_are_no_headers(shared: Running) -> None:
    head = b"POST /v1/score HTTP/1.1\r\nHost: scorer\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + CHUNKS[:-2] + b"Content-Type: application/json\r\n\r\n"
    assert (await ask(shared, data)).status == 415


# ---- too much, too late


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


def large(size: int) -> bytes:
    """A header of that size: the target, and of each field its name, value and four signs."""
    around = len(b"/v1/score") + sum(
        len(line) + 2 for line in post(b"X: ").split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    )
    return post(b"X: " + b"x" * (size - around))


async def test_a_header_has_a_limit(small: Running) -> None:
    assert (await ask(small, large(2000))).status == 200
    assert (await ask(small, large(2001))).status == 431
    for before in (post(), get()):
        answers = await small.answers(before + large(2001) + post())
        assert [answer.status for answer in answers] == [200, 431]
        assert json.loads(answers[-1].body)["type"].endswith(":header-too-large")


async def test_a_header_in_pieces_has_a_limit(small: Running) -> None:
    reader, writer = await small.connect()
    data = large(2001)
    for at in range(0, len(data), 100):
        writer.write(data[at : at + 100])
        await asyncio.sleep(0)
    assert (await read_answer(reader)).status == 431
    assert await ended(reader)
    writer.close()


async def test_a_header_that_never_ends(small: Running) -> None:
    """It is cut off while it comes: nobody waits for its end."""
    _, writer = await small.connect()
    writer.write(POST + b"X: ")

    async def write_on() -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(write_on(), 30)
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"P", POST, POST + b"X: y"], ids=["a byte", "lines", "a field"])
async def test_a_header_that_is_not_finished(small: Running, sent: bytes) -> None:
    for before in (b"", post(), get()):
        answers = await small.answers(before + sent)
        assert answers[-1].status == 408
        assert len(answers) == 1 + bool(before)
        assert "The header" in json.loads(answers[-1].body)["detail"]


async def test_a_header_that_dribbles_gets_no_more_time(small: Running) -> None:
    reader, writer = await small.connect()

    async def dribble() -> None:
        for byte in POST + b"X: " + b"x" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    assert (await read_answer(reader)).status == 408
    dribbling.cancel()
    writer.close()


@pytest.mark.slow
async def test_a_body_that_is_not_finished(small: Running) -> None:
    for before in (b"", post(), get()):
        answers = await small.answers(before + post()[:-10])
        assert answers[-1].status == 408
        assert len(answers) == 1 + bool(before)
        assert "The body" in json.loads(answers[-1].body)["detail"]


async def test_a_body_that_nobody_waits_for_is_cut_off(small: Running) -> None:
    """The path is unknown, so the answer comes at once; the body never does."""
    data = post()[:-10].replace(b"/v1/score", b"/nothing")
    (answer,) = await small.answers(data)
    assert answer.status == 404


async def test_a_body_of_next_to_nothing_is_refused(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot) as running:
        for head, piece in (
            (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\n{\r\n"),
            (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"T: " + b"t" * 1000 + b"\r\n"),
            (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT: ", b"t" * 1000),
        ):
            reader, writer = await running.connect()
            writer.write(head)
            for _ in range(100):
                writer.write(piece)
                await asyncio.sleep(0)
            answer = await read_answer(reader)
            assert (answer.status, answer.last) == (400, True)
            writer.close()
