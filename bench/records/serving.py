"""The whole path beside the engine alone and beside the plain way, each with a core of its own.

The three run side by side and are loaded in turns, so that a machine that slows down slows all of
them; a ratio is of rates of the same round. The generator, both stores and the process that ships
have the other core.

An answer is given once its record is in the spool, and shipping comes later, so both are measured.
The top rate is a burst's: what ships is stopped (SIGSTOP) for as long as the load lasts, and ships
all of it before the next load. The sustained rate, and how late answers are at half of the top
rate, are measured while it ships.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from bench.records import servers
from bench.records.servers import Contest, Transaction
from bench.records.spent import Meter, Spent, shippers
from bench.records.stores import Stores
from bench.scorer.load import NUMBER, Generator, Load, write_requests
from bench.scorer.running import Running, ServerError, free_ports, running
from bench.scorer.servers import Place, Server
from fraud_scorer.features.settings import Settings
from tests.cluster.progress import say, step

CONNECTIONS = (16, 64)
_WARM_SECONDS, _DRAIN_SECONDS = 60.0, 120.0
_TIMES_SETTLED = 2
"""Until nearly all histories in Redis are as on an ordinary day: final ones."""
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
    spent: Spent = field(default_factory=Spent)
    """In its best round."""
    half: Load | None = None
    """Open loop at half of the top rate."""
    answers: float = 0.0
    without: Counter[str] = field(default_factory=Counter)
    """How many of the answers had to do without what, by the server's own metrics."""

    @property
    def rate(self) -> float:
        """The top rate."""
        return max(self.rates)

    @property
    def degraded(self) -> float:
        """The share of answers that had to do without something, which then cost them nothing."""
        return max(self.without.values(), default=0.0) / self.answers if self.answers else 0.0


@dataclass
class Compared:
    """All three. `sustained` is the whole path again, while its records are shipped; `shipped` how
    many of them a second came into Postgres meanwhile."""

    engine: Served
    whole: Served
    plain: Served
    sustained: Served
    shipped: float = 0.0

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
        whole, path = contestants[1]
        for _ in range(_TIMES_SETTLED):
            _warm(whole, given.happening())
            _settle()
        transactions = given.happening()
        requests = [_requests(one.server, transactions, folder) for one, _ in contestants]
        sustained = Served(f"{path.title}, shipping")
        shipped: list[float] = []
        _move(shippers(whole), generator.cores.generator)
        _warm(whole, transactions)
        _drain(stores)
        for number in range(spans.rounds):
            for (one, found), file in zip(contestants, requests, strict=True):
                with step(f"round {number + 1} of {spans.rounds}: {found.title}"):
                    if one is not whole:
                        _round(generator, one, found, file, spans, stores)
                        continue
                    with _counting(whole, path), _stopped(shippers(whole)):
                        _round(generator, whole, path, file, spans, stores)
                    _drain(stores)
                    with _counting(whole, sustained), _shipping(stores, shipped):
                        _round(generator, whole, sustained, file, spans, stores)
                    _drain(stores)
        for (one, found), file in zip(contestants, requests, strict=True):
            with step(f"half of the top rate: {found.title}"):
                with _counting(one, found) if one is whole else nullcontext():
                    found.half = generator.open(
                        one.place.port, file, connections=max(CONNECTIONS), rate=found.rate / 2,
                        spans=(spans.warmup, spans.measured),
                    )  # fmt: skip
                _check(found.half)
                say(f"   p99 {found.half.p99 / 1000:.2f} ms")
            if one is whole:
                _drain(stores)
        engine, path, plain = (found for _, found in contestants)
        return Compared(engine, path, plain, sustained, statistics.median(shipped))


@contextmanager
def _counting(whole: Running, found: Served) -> Iterator[None]:
    """What is answered meanwhile, and without what, is that one's."""
    before = _counted(whole)
    yield
    spent = Counter(_counted(whole))
    spent.subtract(before)
    found.answers += spent.pop(_ANSWERS)
    found.without.update(spent)


@contextmanager
def _stopped(processes: Sequence[int]) -> Iterator[None]:
    """Nothing is shipped meanwhile."""
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _shipping(stores: Stores, found: list[float]) -> Iterator[None]:
    """How many records a second come into Postgres meanwhile."""
    began, before = time.monotonic(), _delivered(stores)
    yield
    found.append((_delivered(stores) - before) / (time.monotonic() - began))


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


def _requests(server: Server, transactions: Sequence[Transaction], folder: Path) -> Path:
    bodies = [server.body(one) for one in transactions]
    return write_requests(folder / f"{server.key}.requests", server.path, bodies)


def _round(
    generator: Generator, one: Running, found: Served, requests: Path, spans: Spans, stores: Stores
) -> None:
    best = 0.0
    for connections in CONNECTIONS:
        meter = Meter(one, stores)
        load = generator.closed(
            one.place.port, requests, connections=connections,
            spans=(spans.warmup, spans.measured),
        )  # fmt: skip
        _check(load)
        if load.rate > max([best, *found.rates]):
            found.spent = meter.of(load)
        best = max(best, load.rate)
    found.rates.append(best)
    say(f"   {found.title}: {best:,.0f} requests a second")


def _check(load: Load) -> None:
    if not load.clean:
        raise ServerError(
            f"under load: {load.answered} answers {load.status}, {load.broken} broken"
        )


def _move(processes: Sequence[int], core: int) -> None:
    """Have these on that core, with all their threads."""
    for pid in processes:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def _settle() -> None:
    """Wait until histories that were read for the time being are to be read from Postgres again:
    those of a Redis that was just born, or was asked before Postgres had answered."""
    settle = Settings().settle
    with step(f"a Redis that has lived for {settle:g} s"):
        time.sleep(settle + 1)


def _warm(whole: Running, transactions: Sequence[Transaction]) -> None:
    """Ask about every entity until all histories are in Redis, as during a day."""
    with step(f"histories of {len(transactions):,} customers and terminals"):
        ends = time.monotonic() + _WARM_SECONDS
        cold: Sequence[int] = range(len(transactions))
        turn = 0
        while len(cold) > _COLD_SHARE * len(transactions):
            turn += 1
            with ThreadPoolExecutor(_ASKED_TOGETHER) as pool:
                why = list(pool.map(partial(_degraded, whole, transactions, turn), cold))
            cold = [at for at, found in zip(cold, why, strict=True) if found]
            if time.monotonic() > ends:
                said = sorted({each for found in why for each in found})
                say(f"   {len(cold):,} are not warm: {', '.join(said)}")
                break


def _degraded(whole: Running, transactions: Sequence[Transaction], turn: int, at: int) -> list[str]:
    one = transactions[at]
    number = f"w{turn % 1000:03}{at:0{len(NUMBER) - 4}}"
    body = {**one, "transaction_id": one["transaction_id"].replace(NUMBER, number)}
    try:
        return list(whole.ask(body)["degraded"])
    except ServerError as error:  # a machine that stalls once must not end a long run
        return [str(error)]


def _drain(stores: Stores) -> None:
    """Wait until what was recorded is in Postgres, so that nobody pays for another's records.
    Raises ServerError."""
    ends = time.monotonic() + _DRAIN_SECONDS
    before = -1
    while (now := _delivered(stores)) != before:
        if time.monotonic() > ends:
            raise ServerError(f"records are still shipped after {_DRAIN_SECONDS:g} s")
        before = now
        time.sleep(1)


def _delivered(stores: Stores) -> int:
    """Records in Postgres, of all chains."""
    with stores.database.connect() as connection:
        row = connection.execute("SELECT sum(delivered)::bigint FROM chains").fetchone()
    assert row is not None
    return int(row[0] or 0)
