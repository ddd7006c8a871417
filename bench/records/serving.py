"""The whole path beside the engine alone and beside the plain way, each with a core of its own.

The three run side by side and are loaded in turns, so that a machine that slows down slows all of
them; a ratio is of rates of the same round. The generator, both stores and the process that ships
have the other core, where the shipper gives way to the others: it has the time between the rounds.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from bench.records import servers
from bench.records.servers import Contest
from bench.records.stores import Stores
from bench.scorer.load import NUMBER, Generator, Load, write_requests
from bench.scorer.running import Running, ServerError, free_ports, running
from bench.scorer.servers import Place, Server
from tests.cluster.progress import say, step

CONNECTIONS = (16, 64)
_GIVES_WAY = 10
_WARM_SECONDS, _DRAIN_SECONDS = 60.0, 60.0
_ASKED_TOGETHER = 16
_COLD_SHARE = 0.001
_ANSWERS = "answers"


@dataclass(frozen=True)
class Spans:
    """Seconds of warm-up and of what is measured, and how many rounds."""

    warmup: float
    measured: float
    rounds: int


@dataclass
class Served:
    """One server. Rates are requests a second."""

    title: str
    rates: list[float] = field(default_factory=list)
    """Of each round, with as many connections as suit it best."""
    cpu_us: float = 0.0
    """Processor time of the serving process for a request, in its best round."""
    generator_core: float = 0.0
    """How busy the generator alone kept its core then."""
    half: Load | None = None
    """Open loop at half of the top rate."""

    @property
    def rate(self) -> float:
        """The top rate."""
        return max(self.rates)


@dataclass
class Compared:
    """All three. `degraded`: the share of the whole path's answers that had to do without
    something; what they did without cost them nothing."""

    engine: Served
    whole: Served
    plain: Served
    degraded: float = 0.0

    def ratio(self, one: Served, other: Served) -> float:
        """The median over the rounds."""
        return statistics.median(a / b for a, b in zip(one.rates, other.rates, strict=True))


def measure(
    generator: Generator, given: Contest, stores: Stores, folder: Path, spans: Spans
) -> Compared:
    """Raises ServerError, and LoadError."""
    spool = folder / "spool"
    servers.tell_plain(given, stores)
    with ExitStack() as stack:
        contestants = [
            (stack.enter_context(_started(server, given, folder, generator)), Served(server.title))
            for server in (
                servers.engine_only(),
                servers.whole_path(given, stores, spool),
                servers.plain_way(given, stores),
            )
        ]
        requests = [_requests(one.server, given, folder) for one, _ in contestants]
        whole = contestants[1][0]
        _give_way(whole, generator.cores.generator)
        _warm(whole, given)
        before = _counted(whole)
        for number in range(spans.rounds):
            for (one, found), file in zip(contestants, requests, strict=True):
                with step(f"round {number + 1} of {spans.rounds}: {found.title}"):
                    _round(generator, one, found, file, spans)
                    say(f"   {found.rates[-1]:,.0f} requests a second")
                    if one is whole:
                        _drain(stores)
        for (one, found), file in zip(contestants, requests, strict=True):
            with step(f"half of the top rate: {found.title}"):
                found.half = generator.open(
                    one.place.port, file, connections=max(CONNECTIONS), rate=found.rate / 2,
                    spans=(spans.warmup, spans.measured),
                )  # fmt: skip
                _check(found.half)
                say(f"   p99 {found.half.p99 / 1000:.2f} ms")
            if one is whole:
                _drain(stores)
        spent = {name: count - before.get(name, 0.0) for name, count in _counted(whole).items()}
        answers = spent.pop(_ANSWERS)
        engine, path, plain = (found for _, found in contestants)
        return Compared(engine, path, plain, max(spent.values(), default=0.0) / answers)


def _counted(whole: Running) -> dict[str, float]:
    """By its own metrics: answers so far, and those that did without, by what was missing."""
    url = f"http://127.0.0.1:{whole.place.ports[1]}/metrics"
    with urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found = {_ANSWERS: 0.0}
    for family in families:
        for sample in family.samples:
            if sample.name == "fraud_scorer_degraded_total":
                found[sample.labels["what"]] = sample.value
            if sample.name == "fraud_scorer_requests_total" and sample.labels["status"] == "200":
                found[_ANSWERS] += sample.value
    return found


@contextmanager
def _started(
    server: Server, given: Contest, folder: Path, generator: Generator
) -> Iterator[Running]:
    place = Place(given.material, servers.commands(), folder, free_ports(3))
    with running(server, place, generator.cores.server) as one:
        yield one


def _requests(server: Server, given: Contest, folder: Path) -> Path:
    bodies = [server.body(one) for one in given.transactions]
    return write_requests(folder / f"{server.key}.requests", server.path, bodies)


def _round(generator: Generator, one: Running, found: Served, requests: Path, spans: Spans) -> None:
    best = 0.0
    for connections in CONNECTIONS:
        before = _processor_seconds(one)
        load = generator.closed(
            one.place.port, requests, connections=connections,
            spans=(spans.warmup, spans.measured),
        )  # fmt: skip
        _check(load)
        used = _processor_seconds(one) - before
        if load.rate > max([best, *found.rates]):
            found.cpu_us, found.generator_core = used / load.all * 1e6, load.cpu
        best = max(best, load.rate)
    found.rates.append(best)


def _check(load: Load) -> None:
    if not load.clean:
        raise ServerError(
            f"under load: {load.answered} answers {load.status}, {load.broken} broken"
        )


def _give_way(whole: Running, core: int) -> None:
    """Have what ships on the generator's core, behind everybody else there."""
    for pid in _shippers(whole):
        os.sched_setaffinity(pid, {core})
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})
            os.setpriority(os.PRIO_PROCESS, int(task.name), _GIVES_WAY)


def _shippers(one: Running) -> list[int]:
    return [
        pid
        for pid in one.family()
        if b"ship" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def _processor_seconds(one: Running) -> float:
    """Of what serves, without what ships."""
    return one.cpu_seconds(without=_shippers(one))


def _warm(whole: Running, given: Contest) -> None:
    """Ask about every entity until all histories are in Redis, as during a day."""
    with step(f"histories of {len(given.transactions):,} customers and terminals"):
        ends = time.monotonic() + _WARM_SECONDS
        cold: Sequence[int] = range(len(given.transactions))
        turn = 0
        while len(cold) > _COLD_SHARE * len(given.transactions):
            turn += 1
            with ThreadPoolExecutor(_ASKED_TOGETHER) as pool:
                why = list(pool.map(partial(_degraded, whole, given, turn), cold))
            cold = [at for at, found in zip(cold, why, strict=True) if found]
            if time.monotonic() > ends:
                said = sorted({each for found in why for each in found})
                say(f"   {len(cold):,} are not warm: {', '.join(said)}")
                break


def _degraded(whole: Running, given: Contest, turn: int, at: int) -> list[str]:
    one = given.transactions[at]
    number = f"w{turn % 1000:03}{at:0{len(NUMBER) - 4}}"
    body = {**one, "transaction_id": one["transaction_id"].replace(NUMBER, number)}
    return list(whole.ask(body)["degraded"])


def _drain(stores: Stores) -> None:
    """Wait until what was recorded is in Postgres, so that nobody pays for another's records."""
    ends = time.monotonic() + _DRAIN_SECONDS
    before = -1
    with stores.database.connect() as connection:
        while time.monotonic() < ends:
            row = connection.execute("SELECT sum(delivered)::bigint FROM chains").fetchone()
            assert row is not None
            if row[0] == before:
                return
            before = row[0]
            time.sleep(1)
