"""One connection to Redis: commands go out as they come, replies come back in order.

No more of the protocol (RESP2) than scripts need. redis-py's 110 µs a call are more than the rest
of an answer takes; here a command costs what writing and reading its bytes costs.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from fraud_scorer.redis.address import RedisAddress
from fraud_scorer.redis.errors import RedisAway, RedisError

Reply = bytes | int | None
MOST_UNANSWERED = 1 << 22
"""Bytes that wait to be sent to a Redis that takes none, before the connection is given up."""


def command(*parts: bytes) -> bytes:
    """A command as it is sent."""
    out = [b"*%d\r\n" % len(parts)]
    out += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"".join(out)


class Connection(asyncio.Protocol):
    """Commands are sent by `ask`, each of which is called back, or by `send`, which gives a future.

    What is called back is told the reply or an error, and must not raise.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Callable[[Reply | RedisError], None]] = deque()
        self._data = bytearray()
        self.lost: Callable[[], None] | None = None
        """Called once the connection has ended."""

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, data: bytes, replied: Callable[[Reply | RedisError], None]) -> None:
        """Send one command."""
        if self._transport is None or self._transport.is_closing():
            replied(RedisAway("there is no connection to Redis"))
            return
        self._waiting.append(replied)
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MOST_UNANSWERED:
            self.abort()

    def send(self, data: bytes) -> asyncio.Future[Reply]:
        """Send one command. The future may be cancelled: its reply is then dropped."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.ask(data, partial(_resolve, future))
        return future

    def abort(self) -> None:
        """End it at once. What was sent may still be done."""
        if self._transport is not None:
            self._transport.abort()
            self._lost("the connection to Redis was given up")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(f"the connection to Redis ended: {exc or 'closed by Redis'}")

    def data_received(self, data: bytes) -> None:
        self._data += data
        read = 0
        while self._waiting:
            end = self._reply(read)
            if end < 0:
                break
            read = end
        if read:
            del self._data[:read]

    def _reply(self, start: int) -> int:
        """Hand over the reply that begins at `start`; where it ends, -1 if it is not all here."""
        line_end = self._data.find(b"\r\n", start)
        if line_end < 0:
            return -1
        kind, rest = self._data[start], bytes(self._data[start + 1 : line_end])
        end = line_end + 2
        reply: Reply | RedisError
        if kind == 0x24:  # $
            length = int(rest)
            if length >= 0:
                if len(self._data) < end + length + 2:
                    return -1
                reply = bytes(self._data[end : end + length])
                end += length + 2
            else:
                reply = None
        elif kind == 0x2B:  # +
            reply = rest
        elif kind == 0x3A:  # :
            reply = int(rest)
        elif kind == 0x2D:  # -
            reply = RedisError(rest.decode(errors="replace"))
        else:
            self.abort()
            return -1
        self._waiting.popleft()(reply)
        return end

    def _lost(self, why: str) -> None:
        self._transport = None
        waiting, self._waiting = self._waiting, deque()
        for replied in waiting:
            replied(RedisAway(why))
        lost, self.lost = self.lost, None
        if lost is not None:
            lost()


def _resolve(future: asyncio.Future[Reply], reply: Reply | RedisError) -> None:
    if future.done():
        return
    if isinstance(reply, RedisError):
        future.set_exception(reply)
    else:
        future.set_result(reply)


async def connect(address: RedisAddress, patience: float) -> Connection:
    """A connection that may be used. Raises RedisError."""
    connection = Connection()
    try:
        async with asyncio.timeout(patience):
            await _open(connection, address)
            if address.password:
                await connection.send(command(b"AUTH", *_who(address)))
            await connection.send(command(b"PING"))
    except (OSError, TimeoutError) as error:
        connection.abort()
        raise RedisAway(
            f"{address.host}:{address.port} cannot be reached: {error or 'no answer'}"
        ) from None
    except RedisError:
        connection.abort()
        raise
    return connection


async def _open(connection: Connection, address: RedisAddress) -> None:
    """To the first of the host's addresses that takes it. The name is looked up apart: a lookup of
    uvloop's `create_connection` that outlasts all patience fails in the log, where nobody asked."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    failed = OSError("no address")
    for *_, (host, *_) in found:
        try:
            await loop.create_connection(
                lambda: connection, str(host), address.port,
                ssl=address.tls, server_hostname=address.host if address.tls else None,
            )  # fmt: skip
        except OSError as error:
            failed = error
        else:
            return
    raise failed


def _who(address: RedisAddress) -> Sequence[bytes]:
    password = address.password.encode()
    return (address.username.encode(), password) if address.username else (password,)
