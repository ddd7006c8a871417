"""What a serving process and its parent tell each other, over a socket that ends with either."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import msgspec

from fraud_scorer.following.orders import Following, Orders


class NotReady(msgspec.Struct, frozen=True, tag="not-ready"):
    """It takes no requests, and why. Reasons are CamelCase, messages say what to do."""

    reason: str = "Starting"
    message: str = "the model is being loaded"


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """It answers requests, with that model at first; with none where the texts are empty."""

    model: str
    version: str
    digest: str
    revision: str


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """It has started, and asks what to do; before that it does nothing."""


Report = NotReady | Ready
Said = Report | Hello | Following
_SAID: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
_ORDERS = msgspec.json.Decoder(Orders)
_LONGEST_LINE = 1 << 20


class Reporting:
    """The end of the serving process."""

    def __init__(self, control: socket.socket, orphaned: Callable[[], None]) -> None:
        """`orphaned` is called when the parent is gone."""
        control.setblocking(False)
        self._control = control
        self._orphaned = orphaned
        self._ordered: Callable[[Orders], None] = lambda _: None
        self._received = b""
        asyncio.get_running_loop().add_reader(control, self._receive)

    def tell(self, said: Said) -> None:
        """Let the parent know. A parent that is gone, or does not listen, is not waited for."""
        try:
            self._control.send(msgspec.json.encode(said) + b"\n")
        except OSError:
            return

    def obey(self, ordered: Callable[[Orders], None]) -> None:
        """Ask the parent for orders, and call with each that come."""
        self._ordered = ordered
        self.tell(Hello())

    def _receive(self) -> None:
        try:
            data = self._control.recv(_LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._control)
            self._orphaned()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._ordered(_ORDERS.decode(line))


async def reports(
    control: socket.socket, heard: Callable[[Said, Callable[[Orders], None]], None]
) -> None:
    """Listen to a serving process until it is gone. `heard` is given what it says, and the way to
    send it orders."""
    reader, writer = await asyncio.open_connection(sock=control, limit=_LONGEST_LINE)

    def send(orders: Orders) -> None:
        writer.write(msgspec.json.encode(orders) + b"\n")

    try:
        while line := await reader.readline():
            heard(_SAID.decode(line), send)
    except ConnectionError:
        return
    finally:
        writer.close()
