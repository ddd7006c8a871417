"""Replies of Redis are read as they come: whole, in pieces, several at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fraud_scorer.redis.errors import RedisAway, RedisError
from fraud_scorer.redis.resp import Connection, command

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
