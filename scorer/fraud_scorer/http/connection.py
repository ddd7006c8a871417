"""What one connection may take: how much, how long, how often.

uvicorn with httptools has none of these limits. Times are kept by one timer a connection, which is
looked at when it rings: a request that comes and goes in time moves the deadline by one assignment.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import random
import termios
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from uvicorn.protocols.http.flow_control import FlowControl

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times are seconds.

    `head_bytes`, `head_seconds`: of request line and header fields together. `body_seconds`: until
    the body is whole after that. `idle_seconds`: how long a connection may wait for its next
    request, and how long a client may read nothing of what it asked for. `age_seconds`: after which
    the next answer is the connection's last, so that clients spread over what has come since; a
    tenth of it is random, so that they do not all move at once. `pipelined`: requests that are read
    while the one ahead of them is not answered.
    """

    head_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    age_seconds: float = 120.0
    pipelined: int = 64

    def expiry(self, now: float) -> float:
        """When a connection made now is too old."""
        return now + self.age_seconds * random.uniform(0.9, 1.0)  # noqa: S311 -- spreads, only


class Deadline:
    """Rings once the time is past, however often it was moved before that."""

    __slots__ = ("_at", "_due", "_loop", "_missed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None
        self._due = NEVER
        self._at = NEVER

    def move(self, at: float) -> None:
        """Ring at that time, or never."""
        self._at = at
        if at < self._due:
            self.cancel()
            self._due = at
            self._timer = self._loop.call_at(at, self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, NEVER

    def _ring(self) -> None:
        self._timer, self._due = None, NEVER
        if self._at > self._loop.time():
            self.move(self._at)
        else:
            self._at = NEVER
            self._missed()


def bytes_waiting(transport: asyncio.Transport) -> bool:
    """Whether something has come that was not read yet."""
    waiting = array("i", [0])
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return False
    fcntl.ioctl(socket.fileno(), termios.FIONREAD, waiting)
    return waiting[0] > 0


class Flow(FlowControl):
    """uvicorn's flow control, which can be held: while it is, whoever thinks that more could be
    read is not heard."""

    held = False

    def hold(self) -> None:
        """Read nothing until `release`."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self.held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless held."""
        if not self.held:
            super().resume_reading()
