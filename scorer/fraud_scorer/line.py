"""The line of a connection to Postgres, below its driver: whether it is quiet, and cutting it.

A server that hangs (frozen, or behind a network that swallows packets) keeps its sockets open, so
that no time-out of libpq's or of the server's ends a wait, and to cancel a statement would take
another connection to the server that does not answer. To cut the line does: what waits for it fails
at once, as if the server had died.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Protocol


class Connected(Protocol):
    """A connection of psycopg's, of either kind."""

    def fileno(self) -> int:
        """The number of its socket."""
        ...


def of(connection: Connected) -> socket.socket:
    """Its socket, under a number of our own: its own number may become another's."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def cut(line: socket.socket) -> None:
    """End it, as if the server had."""
    with suppress(OSError):  # it may be down already
        line.shutdown(socket.SHUT_RDWR)


def quiet(line: socket.socket) -> bool:
    """Whether the server has said nothing since it was last asked, such as that it is going."""
    try:
        line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
