"""A TCP proxy that does to a connection what networks do: it stalls, and it cuts.

It also counts the HTTP requests that go through it.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_REQUEST = re.compile(rb"(?:GET|HEAD|PUT|POST|DELETE|PATCH) \S+ HTTP/1\.1\r\n")


class Proxy:
    """In front of `endpoint`. Use as a context manager.

    `answer_bytes`: how many bytes a connection gives back before it is cut; None: all of them.
    `cuts`: how many connections that happens to; None: to all. `stalls`: whether one gives back
    nothing, and stays open.
    """

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        assert target.hostname is not None
        assert target.port is not None
        self._target = (target.hostname, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answer_bytes: int | None = None
        self.cuts: int | None = None
        self.stalls = False
        self.requests: list[str] = []
        self.heard = b""
        """All that clients said."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            most = self.answer_bytes if self.cuts != 0 else None
            if self.cuts:
                self.cuts -= 1
            with self._lock:
                self._open |= {client, server}
            for pump, more in ((self._ask, ()), (self._answer, (most,))):
                threading.Thread(target=pump, args=(client, server, *more), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                self.heard += data
                self.requests += [one.decode() for one in _REQUEST.findall(data)]
                server.sendall(data)
        self._end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, most: int | None) -> None:
        given = 0
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if self.stalls:
                    continue
                if most is not None:
                    data = data[: most - given]
                client.sendall(data)
                given += len(data)
                if most is not None and given >= most:
                    break
        self._end(client, server)

    def _end(self, *both: socket.socket) -> None:
        for one in both:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._open -= set(both)
