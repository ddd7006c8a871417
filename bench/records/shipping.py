"""How fast records get from the spool into Postgres, and how fast they are found there.

Postgres keeps its promises here: it waits for the disk, and has the checkpoints that come of it.
An answer is three rows: a transaction, a prediction and an audit entry, with six indexes.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.records import appending
from fraud_scorer.ledger import lookups, partitions
from fraud_scorer.ledger.database import Connection, Database
from fraud_scorer.ledger.migrate import migrate
from fraud_scorer.ledger.shipper import Shipper, Shipping
from fraud_scorer.ledger.spool import Spool
from tests.cluster.progress import step
from tests.support.postgres import PostgresServer, serve

ROWS_AN_ANSWER = 3
ROUND = 100_000
LOOK_UPS = 300


@dataclass(frozen=True)
class Shipped:
    """Rows a second; milliseconds."""

    rows: int
    bursts: list[float]
    """Of each round, from the first step of the shipper to the last commit."""
    sustained: float
    """Over all rounds, with the time that checkpoints and the making of records take off."""
    transaction_p99: float
    history_p99: float
    processor: float
    """Microseconds of processor time an answer, of the shipper alone."""
    backend: float
    """The same, of the Postgres process that serves it; both work in turns."""


@contextmanager
def postgres() -> Iterator[Database]:
    """A server with a migrated database, gone afterwards."""
    settings = {
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
        "shared_buffers": "1GB", "max_wal_size": "8GB", "wal_compression": "on",
    }  # fmt: skip
    for server in serve(**settings):
        yield _migrated(server)


def _migrated(server: PostgresServer) -> Database:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        migrate(connection, None)
        partitions.make(connection, partitions.months_ahead(datetime.now(UTC)))
    return Database(server.dsn(), name="bench", patience=60)


def measure(database: Database, folder: Path, answers: int) -> Shipped:
    """Ship that many answers, then look some of them up."""
    bursts: list[float] = []
    spent = processor = backend = 0.0
    number = 0
    while number < answers:
        spool = Spool(folder / f"spool-{number}", 8 << 30)
        with step(f"recording {number:,} to {number + ROUND:,}"):
            one = appending.writer(spool)
            for at in range(number, number + ROUND):
                one.record(*appending.answer(at, explained=at % 20 == 0))
            one.close()
        with step("shipping"):
            seconds, own, theirs = _ship(spool, database)
        shutil.rmtree(spool.folder)
        number += ROUND
        spent, processor, backend = spent + seconds, processor + own, backend + theirs
        bursts.append(ROUND * ROWS_AN_ANSWER / seconds)
    with database.connect() as connection:
        connection.execute("ANALYZE")
        return Shipped(
            rows=number * ROWS_AN_ANSWER,
            bursts=bursts,
            sustained=number * ROWS_AN_ANSWER / spent,
            transaction_p99=_p99(connection, number, _transaction),
            history_p99=_p99(connection, number, _history),
            processor=processor / number * 1e6,
            backend=backend / number * 1e6,
        )


def _ship(spool: Spool, database: Database) -> tuple[float, float, float]:
    """Seconds, and those of the processor: the shipper's and its backend's."""
    shipper = Shipper(spool, database, None, None, Shipping(pause=0.0, look_every=0.5))
    with shipper.session.use() as connection:
        backend = connection.info.backend_pid
    began, busy = time.perf_counter(), time.process_time()
    while shipper.shipped.delivered < ROUND + 2:
        shipper.step()
    seconds, spent = time.perf_counter() - began, time.process_time() - busy
    theirs = _processor_seconds(backend)
    shipper.close()
    return seconds, spent, theirs


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _p99(connection: Connection, answers: int, look: Callable[[Connection, int], object]) -> float:
    """Of look-ups at random, each logged and committed."""
    chosen = random.Random(5)
    took = []
    for _ in range(LOOK_UPS):
        number = chosen.randrange(answers)
        began = time.perf_counter()
        look(connection, number)
        took.append(time.perf_counter() - began)
    return sorted(took)[int(len(took) * 0.99)] * 1000


def _transaction(connection: Connection, number: int) -> object:
    return lookups.transaction(connection, f"tx-{number:012}", principal="bench")


def _history(connection: Connection, number: int) -> object:
    return lookups.history(connection, f"c-{number % 50_000}", principal="bench", limit=100)
