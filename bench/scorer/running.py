"""One server as a process on its core: started, ready, watched, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench import usage
from bench.scorer.environments import variables
from bench.scorer.load import pinned
from bench.scorer.said import why
from bench.scorer.servers import OURS, Place, Server, Transaction

START_SECONDS = 90.0


class ServerError(Exception):
    """The server did not start, or does not answer as it should; the message says how."""


@dataclass
class Running:
    """A server that answers."""

    server: Server
    place: Place
    process: subprocess.Popen[bytes]
    start_seconds: float

    def ask(self, transaction: Transaction) -> Any:
        """The answer to one transaction. Raises ServerError."""
        content = msgspec.json.encode(self.server.body(transaction))
        try:
            status, answer = _request(self.place.port, "POST", self.server.path, content)
        except OSError as error:
            raise ServerError(f"{self.server.path} was not answered: {error}") from error
        if status != 200:
            raise ServerError(f"{self.server.path} answered {status}: {answer[:200]!r}")
        return msgspec.json.decode(answer)

    def score(self, transaction: Transaction) -> float:
        """The score in that answer."""
        return self.server.score(self.ask(transaction))

    def memory_mb(self) -> tuple[float, float]:
        """(of all its processes, shared pages divided among them; of the largest, all it maps)"""
        shares, largest = 0.0, 0.0
        for pid in family(self.process.pid):
            with suppress(OSError):
                sizes = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
                shares += sizes["Pss"] / 1000
                largest = max(largest, sizes["Rss"] / 1000)
        return shares, largest

    def family(self) -> list[int]:
        """All its processes."""
        return family(self.process.pid)

    def cpu_seconds(self, without: Collection[int] = ()) -> float:
        """Of all its processes so far, or of all but some."""
        total = 0.0
        for pid in set(self.family()).difference(without):
            with suppress(OSError):
                total += usage.cpu_seconds(pid)
        return total


@contextmanager
def running(server: Server, place: Place, core: int) -> Iterator[Running]:
    """The server, ready and on `core`, for the time of a `with`. Raises ServerError."""
    environment = variables(place.commands) | server.variables(place)
    if server.prepare is not None:
        _prepare(server.prepare(place), environment, place.scratch)
    log = place.scratch / f"{server.key}.log"
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [*pinned(core), *server.start(place)],
            cwd=place.scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(server, place, process, log)
        yield Running(server, place, process, time.monotonic() - began)
    finally:
        _stop(process)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _prepare(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ServerError(f"preparing it failed: {why(done.stderr)}")


def _wait_until_ready(
    server: Server, place: Place, process: subprocess.Popen[bytes], log: Path
) -> None:
    ends = time.monotonic() + START_SECONDS
    while not _is_ready(server, place):
        if process.poll() is not None:
            raise ServerError(f"it ended with {process.returncode}: {why(log.read_text())}")
        if time.monotonic() > ends:
            raise ServerError(f"not ready after {START_SECONDS:.0f} s: {why(log.read_text())}")
        time.sleep(0.01)


def _is_ready(server: Server, place: Place) -> bool:
    try:
        if server is OURS:
            return _request(place.ports[1], "GET", "/health/ready")[0] == 200
        if server.ready:
            return _request(place.port, "GET", server.ready)[0] == 200
        content = msgspec.json.encode(server.body(place.material.transactions[0]))
        return _request(place.port, "POST", server.path, content)[0] == 200
    except OSError:
        return False


def _request(port: int, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, a while later SIGKILL, for it and all that it started."""
    everyone = family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(8)
    for pid in everyone:
        if process.returncode is None or pid != process.pid:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found.extend(map(int, task.read_text().split()))
    return found


def _kilobytes(text: str) -> dict[str, float]:
    fields = (line.split() for line in text.splitlines()[1:])
    return {one[0].rstrip(":"): float(one[1]) for one in fields}


def worst_difference(running: Running, count: int) -> float:
    """Between its scores and scikit-learn's, over the first transactions. Raises ServerError."""
    material = running.place.material
    pairs = zip(material.transactions[:count], material.expected[:count], strict=True)
    return max(abs(running.score(one) - float(expected)) for one, expected in pairs)
