"""What is measured of a server, and in which order.

Ours and the C server run beside each other and are loaded in turns, so that a machine that slows
down slows both. A peer runs alone, with as many connections as suit it best.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.scorer.environments import NotInstallableError, environment
from bench.scorer.load import Generator, Load, LoadError, write_requests
from bench.scorer.material import Material
from bench.scorer.running import Running, ServerError, free_ports, running, worst_difference
from bench.scorer.servers import LOOPBACK, OURS, YARDSTICK, Place, Server

CONNECTIONS = (16, 64)
OVERLOADED_CONNECTIONS = 900
DECLINE_ALL = "review=0,decline=0"
_COMPARED = 100


@dataclass(frozen=True)
class Spans:
    """Seconds of warm-up and of what is measured, and how many turns ours and the C server take.
    A peer has one turn, which is longer by a second: some answer a few dozen times in it."""

    warmup: float
    measured: float
    rounds: int

    @property
    def both(self) -> tuple[float, float]:
        return self.warmup, self.measured

    @property
    def of_peers(self) -> Spans:
        return Spans(self.warmup, self.measured + 1, 1)


@dataclass
class Measured:
    """One server with one model. `problem` says why there are no figures."""

    server: str
    title: str
    batched: bool
    scikit_learn: bool
    problem: str = ""
    start_seconds: float = 0.0
    memory_mb: float = 0.0
    largest_process_mb: float = 0.0
    worst_difference: float = 0.0
    server_cpu: float = 0.0
    """Share of its core during the best closed loop."""
    cpu_us: float = 0.0
    """Its processor time for a request in that loop: what others do on the core hardly moves it."""
    closed: dict[int, Load] = field(default_factory=dict)
    """By connections, the best of the rounds."""
    half: Load | None = None
    """Open loop at half of the top rate."""

    @property
    def rate(self) -> float:
        """The top rate."""
        return max((one.rate for one in self.closed.values()), default=0.0)

    @property
    def connections(self) -> int:
        """With how many connections it was reached."""
        return max(self.closed, key=lambda one: self.closed[one].rate)


@dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    generator: Generator
    scratch: Path
    spans: Spans

    @contextmanager
    def started(
        self, server: Server, material: Material, thresholds: str = ""
    ) -> Iterator[Running]:
        """The server with that model. Raises ServerError and NotInstallableError."""
        own = Path(sys.executable).parent
        commands = environment(server.environment) if server.environment else own
        place = Place(material, commands, self.scratch, free_ports(3), thresholds)
        with running(server, place, self.generator.cores.server) as one:
            yield one

    def requests(self, server: Server, material: Material) -> Path:
        """The file that the generator sends."""
        bodies = [server.body(one) for one in material.transactions]
        return write_requests(self.scratch / f"{server.key}.requests", server.path, bodies)

    def peer(self, server: Server, material: Material) -> Measured:
        """A peer; what went wrong is part of the result."""
        try:
            with self.started(server, material) as one:
                found = _of(one)
                requests = self.requests(server, material)
                alone = replace(self, spans=self.spans.of_peers)
                loads = [alone._closed(one, found, requests, each) for each in CONNECTIONS]
                if not found.closed:
                    _check(loads[0])
                alone._half(one, found, requests)
                _memory(one, found)
                return found
        except (NotInstallableError, ServerError, LoadError) as error:
            return replace(_unmeasured(server), problem=str(error))
        except Exception as error:  # whatever a peer does, the others are measured
            return replace(_unmeasured(server), problem=f"{type(error).__name__}: {error}")

    def ours(self, material: Material) -> tuple[Measured, Measured]:
        """Ours and the C server, in turns. Raises ServerError."""
        with ExitStack() as stack:
            both = [
                (one, _of(one), self.requests(server, material))
                for server in (OURS, YARDSTICK)
                for one in [stack.enter_context(self.started(server, material))]
            ]
            for _ in range(self.spans.rounds):
                for connections in CONNECTIONS:
                    for one, found, requests in both:
                        _check(self._closed(one, found, requests, connections))
            for one, found, requests in both:
                _check(self._half(one, found, requests))
                _memory(one, found)
            (_, ours, _), (_, limit, _) = both
            return ours, limit

    def declined(self, material: Material) -> Load:
        """Ours, where every transaction is declined and so explained. Raises ServerError."""
        with self.started(OURS, material, DECLINE_ALL) as one:
            if not one.ask(material.transactions[0])["reasons"]:
                raise ServerError("a declined transaction has no reasons")
            found = _of(one)
            requests = self.requests(OURS, material)
            for _ in range(self.spans.rounds):
                for connections in CONNECTIONS:
                    _check(self._closed(one, found, requests, connections))
            return found.closed[found.connections]

    def overloaded(self, material: Material, rate: float) -> Load:
        """Ours at `rate`, which is more than it can do. Raises ServerError."""
        with self.started(OURS, material) as one:
            return self.generator.open(
                one.place.port,
                self.requests(OURS, material),
                connections=OVERLOADED_CONNECTIONS,
                spans=self.spans.both,
                rate=rate,
                drop=True,
            )

    def loopback(self, material: Material) -> Load:
        """The generator's own limit: the same requests, answered without being read."""
        with self.started(YARDSTICK, material) as one:
            requests = self.requests(LOOPBACK, material)
            loads = [
                self.generator.closed(
                    one.place.port, requests, connections=connections, spans=self.spans.both
                )
                for connections in CONNECTIONS
            ]
            return max(loads, key=lambda load: load.rate)

    def _closed(self, one: Running, found: Measured, requests: Path, connections: int) -> Load:
        """One closed loop. It counts where every answer was a good one."""
        cpu = one.cpu_seconds()
        load = self.generator.closed(
            one.place.port, requests, connections=connections, spans=self.spans.both
        )
        if load.clean:
            if load.rate > found.rate:
                used = one.cpu_seconds() - cpu
                found.server_cpu = used / sum(self.spans.both)
                found.cpu_us = used / load.all * 1e6
            before = found.closed.get(connections)
            if before is None or load.rate > before.rate:
                found.closed[connections] = load
        return load

    def _half(self, one: Running, found: Measured, requests: Path) -> Load:
        found.half = self.generator.open(
            one.place.port,
            requests,
            connections=max(CONNECTIONS),
            spans=self.spans.both,
            rate=found.rate / 2,
        )
        return found.half


def _check(load: Load) -> None:
    if not load.clean:
        raise ServerError(
            f"under load: {load.answered} answers {load.status}, {load.broken} broken"
        )


def _unmeasured(server: Server) -> Measured:
    return Measured(server.key, server.title, server.batched, server.scikit_learn)


def _of(one: Running) -> Measured:
    found = _unmeasured(one.server)
    found.start_seconds = one.start_seconds
    found.worst_difference = worst_difference(one, _COMPARED)
    return found


def _memory(one: Running, found: Measured) -> None:
    found.memory_mb, found.largest_process_mb = one.memory_mb()
