"""A server that goes away answers everything that was asked, read or not, on both ways."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest

from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import (
    BODY,
    POST,
    Running,
    ended,
    get,
    post,
    read_answer,
    scorer,
    until,
)

CHUNK = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (post()[:-10], post()[-10:]),
        (post()[:30], post()[30:]),
        (post()[:1], post()[1:]),
        (CHUNK + BODY[:10], BODY[10:] + b"\r\n0\r\n\r\n"),
        (get() + post()[:-10], post()[-10:]),
    ],
    ids=["in the body", "in the header", "at the first byte", "in a chunk", "behind another"],
)
async def test_a_request_under_way_is_finished(
    model: LoadedModel, hot: bool, first: bytes, rest: bytes
) -> None:
    async with scorer(model, hot=hot) as running:
        reader, writer = await running.connect()
        writer.write(first)
        if first.startswith(b"GET"):
            assert (await read_answer(reader)).status == 200
        await until(lambda: any(one._phase for one in connections(running)))
        running.server.stop()
        await until(lambda: not listens(running))
        writer.write(rest)
        answer = await read_answer(reader)
        assert (answer.status, answer.last) == (200, True)
        assert await ended(reader)
        writer.close()


async def test_what_was_sent_and_not_read_is_answered(model: LoadedModel, hot: bool) -> None:
    """The request is in the socket when the server is told to go; the loop has not seen it."""
    async with scorer(model, hot=hot) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as client:
            client.sendall(get(b"/health"))
            await until(lambda: running.server.server_state.total_requests == 1)
            (connection,) = connections(running)
            client.sendall(post())
            connection.shutdown()
            answer = await asyncio.to_thread(receive, client)
            assert re.findall(rb"HTTP/1.1 \d+|connection: close", answer) == [
                b"HTTP/1.1 200",
                b"HTTP/1.1 200",
                b"connection: close",
            ]


async def test_an_idle_connection_is_closed_at_once(model: LoadedModel, hot: bool) -> None:
    async with scorer(model, hot=hot) as running:
        reader, writer = await running.connect()
        writer.write(post())
        assert not (await read_answer(reader)).last
        running.server.stop()
        assert await ended(reader)
        writer.close()


async def test_connections_that_nobody_accepted_yet_are_answered(
    model: LoadedModel, hot: bool
) -> None:
    """They are made, and the server told to go, within one turn of its loop."""
    async with scorer(model, hot=hot) as running:
        clients = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
        for client in clients:
            client.sendall(post())
        await running.server.shutdown(running.server.listening)
        for client in clients:
            answer = await asyncio.to_thread(receive, client)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            client.close()


async def test_a_new_connection_may_still_ask(model: LoadedModel, hot: bool) -> None:
    """It was made just before; its request comes just after."""
    async with scorer(model, hot=hot) as running:
        reader, writer = await running.connect()
        await until(lambda: len(connections(running)) == 1)
        running.server.stop()
        await until(lambda: not listens(running))
        writer.write(post())
        answer = await read_answer(reader)
        assert (answer.status, answer.last) == (200, True)
        writer.close()


@pytest.mark.slow
async def test_a_connection_that_asks_nothing_holds_nobody_up(
    model: LoadedModel, hot: bool
) -> None:
    async with scorer(model, hot=hot) as running:
        reader, writer = await running.connect()
        await until(lambda: len(connections(running)) == 1)
        running.server.stop()
        assert await ended(reader)
        writer.close()


def connections(running: Running) -> list[Any]:
    return list(running.server.server_state.connections)


def listens(running: Running) -> bool:
    """Whether a connection could be made."""
    return any(one.is_serving() for one in running.server.servers)


def receive(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    client.settimeout(10)
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)
