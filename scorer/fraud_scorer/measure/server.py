"""How many requests a second a server of its own process answers, asked over the loopback.

Requests are pipelined on a few connections, so that this process, which asks, has little to do
beside the one that answers; still both share the machine, and both are busy.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

_CONNECTIONS = 4
_PIPELINED = 32
_PATIENCE = 60.0
_ANSWER, _GOOD = b"HTTP/1.1 ", b"HTTP/1.1 200 "


class Served(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the server did."""

    answers: int
    failed: int
    seconds: float
    per_second: float


class ServerFailed(Exception):
    """The server did not start, or went away."""


def serve_and_ask(
    arguments: Sequence[str | Path], bodies: Sequence[bytes], seconds: float
) -> Served:
    """Start `fraud-scorer serve` with these arguments and ask it. Raises ServerFailed."""
    with _server(arguments) as address:
        batches = [
            b"".join(map(_request, bodies[i : i + _PIPELINED]))
            for i in range(0, len(bodies) - _PIPELINED + 1, _PIPELINED)
        ]
        return _ask(address, batches, seconds)


def _ask(address: tuple[str, int], batches: Sequence[bytes], seconds: float) -> Served:
    connections = [socket.create_connection(address, _PATIENCE) for _ in range(_CONNECTIONS)]
    answers = good = sent = 0
    try:
        began = time.perf_counter()
        for connection in connections:
            connection.sendall(batches[sent % len(batches)])
            sent += 1
        waiting = list(connections)
        while waiting:
            connection = waiting.pop(0)
            each, fine = _answers(connection)
            answers, good = answers + each, good + fine
            if time.perf_counter() - began < seconds:
                connection.sendall(batches[sent % len(batches)])
                sent += 1
                waiting.append(connection)
        passed = time.perf_counter() - began
    except OSError as error:
        raise ServerFailed(f"the server went away: {error}") from error
    finally:
        for connection in connections:
            connection.close()
    return Served(
        answers=answers,
        failed=answers - good,
        seconds=round(passed, 3),
        per_second=round(answers / passed, 1),
    )


def _answers(connection: socket.socket) -> tuple[int, int]:
    """Read the answers to one batch: how many there were, and how many of them were scores."""
    data = b""
    while data.count(_ANSWER) < _PIPELINED or not data.endswith(b"}"):
        received = connection.recv(1 << 18)
        if not received:
            raise OSError("it closed the connection")
        data += received
    return data.count(_ANSWER), data.count(_GOOD)


def _request(body: bytes) -> bytes:
    head = (
        "POST /v1/score HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def _server(arguments: Sequence[str | Path]) -> Iterator[tuple[str, int]]:
    ports = ("--listen=127.0.0.1:0", "--management=127.0.0.1:0", "--drain=0", "--data=none")
    command = [sys.executable, "-m", "fraud_scorer.cli.main", "serve", *ports]
    with subprocess.Popen(
        [*command, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Where it listens, once it says that it is ready."""
    last = ""
    for line in process.stderr or ():
        last = line.strip()
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if said.get("message") == "ready":
            host, _, port = said["listen"].rpartition(":")
            return host, int(port)
    raise ServerFailed(f"the server did not start: {last}")
