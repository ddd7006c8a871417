"""What a serving process tells its parent, over a socket that ends with either of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import msgspec


class NotReady(msgspec.Struct, frozen=True, tag="not-ready"):
    """It takes no requests, and why. Reasons are CamelCase, messages say what to do."""

    reason: str = "Starting"
    message: str = "the model is being loaded"


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """It answers requests with that model."""

    model: str
    version: str
    digest: str
    revision: str


Report = NotReady | Ready
_DECODER: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)


class Reporting:
    """The end of the serving process."""

    def __init__(self, control: socket.socket, orphaned: Callable[[], None]) -> None:
        """`orphaned` is called when the parent is gone."""
        control.setblocking(False)
        self._control = control
        self._orphaned = orphaned
        asyncio.get_running_loop().add_reader(control, self._ended)

    def tell(self, report: Report) -> None:
        """Let the parent know. A parent that is gone, or does not listen, is not waited for."""
        try:
            self._control.send(msgspec.json.encode(report) + b"\n")
        except OSError:
            return

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control)
        self._orphaned()


async def reports(control: socket.socket, heard: Callable[[Report], None]) -> None:
    """Listen to a serving process until it is gone."""
    reader, writer = await asyncio.open_connection(sock=control)
    try:
        while line := await reader.readline():
            heard(_DECODER.decode(line))
    except ConnectionError:
        return
    finally:
        writer.close()
