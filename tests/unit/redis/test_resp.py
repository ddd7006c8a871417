"""Replies of Redis are read as they come: whole, in pieces, several at once."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest
import uvloop

from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.errors import RedisAway, RedisError
from fraud_scorer.redis.resp import Connection, command, connect

REPLIES = b"+OK\r\n:42\r\n$5\r\nab\r\nc\r\n$-1\r\n$0\r\n\r\n-NOSCRIPT none\r\n"


class Transport(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True


def asked(count: int) -> tuple[Connection, list[asyncio.Future[Any]]]:
    connection = Connection()
    connection.connection_made(Transport())
    return connection, [connection.send(b"") for _ in range(count)]


@pytest.mark.parametrize("piece", [1, 3, 7, len(REPLIES)])
async def test_replies_in_pieces(piece: int) -> None:
    connection, futures = asked(6)
    futures[1].cancel()

    for start in range(0, len(REPLIES), piece):
        connection.data_received(REPLIES[start : start + piece])

    assert futures[0].result() == b"OK"
    assert [future.result() for future in futures[2:5]] == [b"ab\r\nc", None, b""]
    with pytest.raises(RedisError, match="NOSCRIPT none"):
        futures[5].result()


async def test_a_connection_that_ends_fails_those_who_wait() -> None:
    connection, futures = asked(2)
    lost = []
    connection.lost = lambda: lost.append(1)

    connection.connection_lost(None)

    for future in futures:
        with pytest.raises(RedisAway):
            future.result()
    with pytest.raises(RedisAway):
        await connection.send(b"")
    assert lost == [1]


async def test_what_is_no_reply_ends_the_connection() -> None:
    connection, (future,) = asked(1)

    connection.data_received(b"HTTP/1.1 400 Bad Request\r\n")

    with pytest.raises(RedisAway):
        future.result()
    assert not connection.open


def test_a_command_is_an_array_of_strings() -> None:
    assert command(b"SET", b"k\r\n", b"") == b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"


def test_a_name_that_is_not_found_in_time_leaves_nothing_behind() -> None:
    """Where a cluster's DNS is not there yet, its lookups fail long after all patience."""

    async def tried() -> list[dict[str, Any]]:
        loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
        loop.set_exception_handler(lambda _, context: told.append(context))
        with pytest.raises(RedisAway, match=r"redis\.invalid:6379 cannot be reached"):
            await connect(RedisAddress("redis.invalid", 6379), patience=0.0)
        for _ in range(2):  # each takes all threads that look up, so that lookup is over, too
            others = [loop.getaddrinfo(f"n{n}.invalid", 1) for n in range(8)]
            await asyncio.gather(*others, return_exceptions=True)
        gc.collect()
        return told

    assert uvloop.run(tried()) == []


async def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def redis(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PONG\r\n")

    server = await asyncio.start_server(redis, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def found(*_: Any, **__: Any) -> list[Any]:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, (host, port)) for host in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    connection = await connect(RedisAddress("redis", port), patience=5.0)
    assert connection.open
    connection.abort()
    server.close()
