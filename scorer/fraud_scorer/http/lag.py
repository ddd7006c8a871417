"""How far a process is behind with its work.

An answer takes microseconds, so there is no queue in the process: what waits, waits in sockets that
the event loop has not come to yet. While a turn of the loop is short nobody can have waited long,
and nothing is to be done. Where it is not, the kernel knows since when a connection's bytes have
been there; so a long turn in which everybody is served in time turns nobody away. Saying no is
hardly cheaper than an answer: it is for answers that would come too late to be of use.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
import time
from collections.abc import Iterator

from fraud_scorer.problem import OVERLOADED, RETRY_AFTER, Problem

_LOOKS = 20
"""How often loop and kernel are looked at while as much time goes by as a request may wait."""

_TCP_INFO_BYTES = 56
_LAST_DATA_RECEIVED = struct.Struct("=52xI")
"""tcpi_last_data_recv of struct tcp_info (linux/tcp.h): milliseconds."""


def overload() -> Problem:
    """The problem of a request that waited too long."""
    return Problem(OVERLOADED, "The service is behind with its work", headers=RETRY_AFTER)


class Lag:
    """How long requests have waited for their turn, with the limit of that."""

    def __init__(self, limit: float) -> None:
        """`limit`: seconds that a request may have waited."""
        self._limit = limit
        self._turned = math.inf
        self._look_again = 0.0
        self._behind = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """See for the time of a `with` that the running loop turns."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            self._turn()
            await asyncio.sleep(self._limit / _LOOKS)

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def too_long(self, now: float, transport: asyncio.Transport) -> bool:
        """Whether what has just been read from there waited too long to be answered."""
        if now - self._turned <= self._limit:
            return False
        if now >= self._look_again:
            self._look_again = now + self._limit / _LOOKS
            self._behind = _age(transport, now - self._turned) > self._limit
        return self._behind

    def check(self) -> None:
        """Raise Problem where what was read in this turn waited too long for what is done now."""
        if time.monotonic() - self._turned > self._limit:
            raise overload()


def _age(transport: asyncio.Transport, otherwise: float) -> float:
    """Seconds since the last bytes came into a connection, as the kernel has it; where it does not
    tell, what else is known."""
    connection = transport.get_extra_info("socket")
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        (milliseconds,) = _LAST_DATA_RECEIVED.unpack(info)
    except (AttributeError, OSError, struct.error):
        return otherwise
    return float(milliseconds) / 1000
