"""One connection and its requests: order, how it goes on, how it ends. The same on both ways."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from fraud_scorer.http.connection import ConnectionLimits
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
    until,
)
from tests.unit.scorer.support import (
    FEATURES,
    GOLDEN,
    FakeModel,
    fake_loaded,
    manifest_of,
    transaction,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


async def test_the_plain_request_is_the_hot_one(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot) as running:
        for data in (post(), post(b"Connection: keep-alive"), post(b"User-Agent: x", b"X-Y: z")):
            reader, writer = await running.connect()
            writer.write(data)
            assert (await read_answer(reader)).status == 200
            writer.close()
        assert running.server.server_state.total_requests == (0 if hot else 3)


async def test_both_ways_answer_in_the_same_words(model: LoadedModel) -> None:
    heads = []
    for hot in (True, False):
        async with scorer(model, hot=hot) as running:
            for body in (BODY, b"{", BODY.replace(b'"EUR"', b'"eur"')):
                answer = await ask(running, post(body=body))
                heads.append((answer.status, {**answer.headers, "date": "", "content-length": ""}))
    assert heads[:3] == heads[3:]


async def test_a_connection_is_kept(shared: Running) -> None:
    reader, writer = await shared.connect()
    for data in (post(), get(), post(), CHUNKED, post(), get(b"/nothing"), post()):
        writer.write(data)
        answer = await read_answer(reader)
        assert answer.status == (404 if b"/nothing" in data else 200)
        assert not answer.last
    writer.close()


@pytest.mark.parametrize(
    "requests",
    [
        [post()] * 5,
        [get()] * 5,
        [get(), post()] * 5,
        [post(), get(b"/nothing"), CHUNKED, post(), post(body=b"{"), get(), post()],
        [post(b"Expect: 100-continue"), post(), get()],
    ],
    ids=["hot", "cold", "mixed", "all sorts", "expect"],
)
async def test_answers_come_in_the_order_of_requests(
    shared: Running, requests: list[bytes]
) -> None:
    expected = [
        404 if b"/nothing" in one else 400 if one.endswith(b"{") else 200 for one in requests
    ]
    about = [b"score" in one.split(b"\r\n")[0] for one in requests]
    data = b"".join(requests[:-1]) + requests[-1].replace(
        b"Host: scorer", b"Host: scorer\r\nConnection: close"
    )
    answers = await shared.answers(data)
    assert [one.status for one in answers] == expected
    assert [b"prediction_id" in one.body for one in answers if one.status == 200] == [
        score for score, status in zip(about, expected, strict=True) if status == 200
    ]
    assert [one.last for one in answers] == [False] * (len(requests) - 1) + [True]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_pieces_of_any_size_make_the_same_requests(shared: Running, size: int) -> None:
    data = post() + get() + CHUNKED + post(b"Connection: close")
    reader, writer = await shared.connect()
    for at in range(0, len(data), size):
        writer.write(data[at : at + size])
        await writer.drain()
        await asyncio.sleep(0)
    answers = [await read_answer(reader) for _ in range(4)]
    assert [one.status for one in answers] == [200] * 4
    assert answers[-1].last
    assert await ended(reader)
    writer.close()


async def test_more_requests_than_are_read_ahead_are_all_answered(
    model: LoadedModel, hot: bool
) -> None:
    async with scorer(model, hot=hot, connections=ConnectionLimits(pipelined=3)) as running:
        reader, writer = await running.connect()
        data = (get() + post()) * 500

        async def write() -> None:
            for at in range(0, len(data), 50_000):
                writer.write(data[at : at + 50_000])
                await writer.drain()

        writing = asyncio.create_task(write())
        bodies = [(await read_answer(reader)).body for _ in range(1000)]
        assert [b"prediction_id" in body for body in bodies] == [False, True] * 500
        await writing
        writer.close()


@pytest.mark.parametrize("count", [1, 30])
async def test_a_client_that_sends_no_more_is_answered(shared: Running, count: int) -> None:
    """As `nc -N` does: the request, and then the end of what it has to say."""
    reader, writer = await shared.connect()
    writer.write((get() + post()) * count)
    writer.write_eof()
    for _ in range(2 * count):
        assert (await read_answer(reader)).status == 200
    assert await ended(reader)
    writer.close()


async def test_a_batch_of_a_client_that_sends_no_more_is_whole(shared: Running) -> None:
    body = b"\n".join([BODY] * 1000)
    reader, writer = await shared.connect()
    writer.write(
        b"POST /v1/score/batch HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/x-ndjson\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.count(b'"decision"') == 1000
    assert answer.endswith(b"\r\n0\r\n\r\n")
    writer.close()


async def test_half_a_request_of_a_client_that_sends_no_more_is_not_waited_for(
    shared: Running,
) -> None:
    reader, writer = await shared.connect()
    writer.write(get() + post()[:-5])
    writer.write_eof()
    assert (await read_answer(reader)).status == 200
    assert await ended(reader)
    writer.close()


async def test_a_query_changes_nothing(shared: Running) -> None:
    data = post(b"Connection: close").replace(b"/v1/score ", b"/v1/score?a=1&b=%20 ")
    (answer,) = await shared.answers(data)
    assert answer.status == 200


async def test_the_last_request_says_so(shared: Running) -> None:
    for data in (post(b"Connection: close"), get(b"/health", b"Connection: close")):
        (answer,) = await shared.answers(data)
        assert (answer.status, answer.last) == (200, True)


async def test_http_1_0_gets_one_answer(shared: Running) -> None:
    for more in ((), (b"Connection: keep-alive",)):
        data = post(*more).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: scorer\r\n", b"")
        (answer,) = await shared.answers(data)
        assert (answer.status, answer.last) == (200, True)


async def test_http_1_0_is_not_told_to_continue(shared: Running) -> None:
    """It knows no answer before the answer (RFC 9110, 10.1.1)."""
    data = post(b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await shared.exchange(data)).startswith(b"HTTP/1.1 200 ")


async def test_nothing_is_done_after_the_last_request(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot) as running:
        for first in (post(b"Connection: close"), get(b"/health", b"Connection: close")):
            (answer,) = await running.answers(first + post() + get())
            assert (answer.status, answer.last) == (200, True)
        metrics = (await running.management.get("/metrics")).text
        assert 'fraud_scorer_requests_total{route="/v1/score",status="200"} 1.0' in metrics
        assert 'fraud_scorer_requests_total{route="/health",status="200"} 1.0' in metrics


async def test_an_old_connection_is_ended_by_an_answer(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot, connections=ConnectionLimits(age_seconds=0)) as running:
        for data in (post(), get()):
            (answer,) = await running.answers(data)
            assert (answer.status, answer.last) == (200, True)


async def test_an_idle_connection_is_closed(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot, connections=ConnectionLimits(idle_seconds=0.05)) as running:
        for data in (b"", post(), get()):
            reader, writer = await running.connect()
            writer.write(data)
            if data:
                assert not (await read_answer(reader)).last
            assert await ended(reader)
            writer.close()


@pytest.fixture
def quick() -> LoadedModel:
    """A model that costs nothing, for tests with thousands of requests."""
    return fake_loaded(FakeModel(), manifest_of(FEATURES, GOLDEN[0]))


async def connect_deaf(running: Running) -> asyncio.StreamWriter:
    """A connection of a client that reads nothing, and has little room for what comes."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", running.port))
    _, writer = await asyncio.open_connection(sock=made)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def pour(writer: asyncio.StreamWriter) -> None:
    """Ask, and ask, until nobody takes it any more."""
    while True:
        writer.write(post(body=transaction_body(0.25)) + get())
        await writer.drain()


async def test_a_client_that_reads_nothing_gets_no_memory(quick: LoadedModel, hot: bool) -> None:
    """Once answers that nobody reads fill the buffers, nothing more is read of it either."""
    async with scorer(quick, hot=hot) as running:
        writer = await connect_deaf(running)
        pouring = asyncio.create_task(pour(writer))
        connection: Any = None
        while connection is None or not connection.flow.write_paused:
            await asyncio.sleep(0.01)
            connection = next(iter(running.server.server_state.connections), None)
        assert connection.flow.read_paused
        held = connection.transport.get_write_buffer_size() + len(connection._unread)
        assert held < 1_000_000
        assert (await running.score(transaction_body(0.5))).status_code == 200
        pouring.cancel()
        writer.transport.abort()


async def test_a_client_that_reads_nothing_is_given_up(quick: LoadedModel, hot: bool) -> None:
    limits = ConnectionLimits(idle_seconds=0.3)
    async with scorer(quick, hot=hot, connections=limits) as running:
        writer = await connect_deaf(running)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(pour(writer), 60)
        writer.close()


@pytest.mark.parametrize("last", ["none", "asked for", "old"])
async def test_few_answers_that_nobody_reads_are_given_up_too(
    quick: LoadedModel, hot: bool, last: str
) -> None:
    """They fill the socket, and not the buffer behind it, so that asking goes on until the end."""
    limits = ConnectionLimits(idle_seconds=1.0)
    async with scorer(quick, hot=hot, connections=limits) as running:
        writer = await connect_deaf(running)
        state = running.server.server_state
        await until(lambda: len(state.connections) == 1)
        connection: Any = next(iter(state.connections))

        async def ask_once() -> None:
            before = state.total_requests
            writer.write(get(b"/openapi.json"))
            await until(lambda: state.total_requests > before and not connection._waiting)

        while not connection.transport.get_write_buffer_size():
            await ask_once()
        assert not connection.flow.write_paused
        if last == "old":
            connection._expires = 0.0
        if last != "none":
            writer.write(post(*[b"Connection: close"] * (last == "asked for")))
            await until(connection.transport.is_closing)
        await until(lambda: not state.connections)
        writer.transport.abort()


def transaction_body(score: float) -> bytes:
    """A transaction that scores as wanted, by the model that costs nothing."""
    return json.dumps(transaction(GOLDEN[0] | {"amount": score})).encode()
