"""Loading a server with the C generator from a core of its own, and what came back."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.scorer.environments import variables

DEADLINE_MS = 1000
"""An answer that comes later is not counted as a good one."""
NUMBER = "????????????"
"""Stands in a request for a number that no other request has, of this run or another."""


@dataclass(frozen=True)
class Cores:
    """The core that serves, and the one that loads it."""

    server: int
    generator: int


@dataclass(frozen=True)
class Load:
    """What one run of the generator says. Rates are a second, times microseconds, `cpu` is the
    generator's share of its core: at 1 it was itself the limit. `all` counts what was answered
    before and after the measured span too."""

    rate: float
    goodput: float
    all: int
    answered: int
    late: int
    broken: int
    dropped: int
    waiting: int
    cpu: float
    status: dict[str, int]
    p50: float
    p90: float
    p99: float
    p999: float
    longest: float

    @property
    def clean(self) -> bool:
        """Every answer was a good one."""
        return not self.broken and self.answered > 0 and set(self.status) == {"200"}


class LoadError(Exception):
    """The generator could not do its work; the message is its own."""


@dataclass(frozen=True)
class Generator:
    """The compiled generator and where it runs."""

    program: Path
    cores: Cores

    def closed(
        self, port: int, requests: Path, *, connections: int, spans: Sequence[float]
    ) -> Load:
        """As fast as the server answers `connections` at a time. `spans`: warm-up and measured."""
        return self._run(port, requests, connections, spans, 0.0, "wait")

    def open(
        self,
        port: int,
        requests: Path,
        *,
        connections: int,
        spans: Sequence[float],
        rate: float,
        drop: bool = False,
    ) -> Load:
        """At a rate that does not heed the server. `drop`: what finds no connection is not sent."""
        return self._run(port, requests, connections, spans, rate, "drop" if drop else "wait")

    def _run(
        self,
        port: int,
        requests: Path,
        connections: int,
        spans: Sequence[float],
        rate: float,
        when_busy: str,
    ) -> Load:
        warmup, measured = spans
        command = [*pinned(self.cores.generator), str(self.program)]
        command += [str(port), str(requests), str(connections)]
        command += [str(warmup), str(measured), str(rate), when_busy, str(DEADLINE_MS)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                env=variables(),
                timeout=warmup + measured + 60,
            )
        except subprocess.TimeoutExpired as error:
            raise LoadError("the load did not come to its end") from error
        if done.returncode != 0:
            raise LoadError(done.stderr.decode().strip() or f"exit code {done.returncode}")
        return msgspec.json.decode(done.stdout, type=Load)


def pinned(core: int) -> list[str]:
    """What goes before a command that is to stay on that core, with all that it starts."""
    return ["taskset", "--cpu-list", str(core)]


def write_requests(path: Path, target: str, bodies: Sequence[Any]) -> Path:
    """The requests as they go over the wire, one a body."""
    with path.open("wb") as file:
        for body in bodies:
            content = msgspec.json.encode(body)
            head = (
                f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Accept: */*\r\nContent-Length: {len(content)}\r\n\r\n"
            ).encode()
            file.write(struct.pack("<I", len(head) + len(content)) + head + content)
    return path
