"""Addresses to listen at. Nothing here listens.

Every serving process has a socket of its own at the same address (SO_REUSEPORT), among which the
kernel spreads connections; so a process that is not ready yet, or is replaced, gets none.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def bind(where: tuple[str, int], *, shared: bool = False) -> Iterator[socket.socket]:
    """A bound socket. Raises OSError, naming the address.

    `shared`: others may be bound there too that are shared themselves.
    """
    host, port = where
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, an
    # answer may wait 40 ms for the client to acknowledge its header.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {host}:{port}: {error.strerror}"
            ) from None
        yield bound


@contextlib.contextmanager
def reserve(where: tuple[str, int]) -> Iterator[socket.socket]:
    """An address for the processes of this service alone: taken as if for oneself, so that a
    service that is already there is noticed, and shared from then on."""
    with bind(where) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield bound


def address(bound: socket.socket) -> str:
    """Where a socket is bound, as host:port."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
