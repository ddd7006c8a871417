"""How fast records get from the spool into Postgres.

Postgres keeps its promises here: it waits for the disk, and has the checkpoints that come of it.
A record (an answer) is three rows: a transaction, a prediction and an audit entry, with seven
indexes in all.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench import usage
from bench.records import material
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.shipper import Shipper, Shipping
from fraud_scorer.ledger.spool import Spool
from tests.cluster.progress import say, step

ROUND = 100_000


@dataclass(frozen=True)
class Shipped:
    """Rates are of records (answers) a second."""

    loaded: int
    """Records that were there before."""
    gigabytes: float
    """Of the database, in the end."""
    records: int
    appended: float
    """Into the spool, as fast as one process can: what a burst may be."""
    rounds: list[float]
    """Each from the first step of the shipper to the last commit."""
    sustained: float
    """Over all rounds, with what checkpoints take off."""
    processor: float
    """Microseconds of processor time a record, of the shipper alone."""
    backend: float
    """The same, of the Postgres process that serves it; both work in turns."""


def measure(database: Database, folder: Path, loaded: int, records: int) -> Shipped:
    """Ship so many on top of those that are there."""
    rounds: list[float] = []
    appending = shipping = processor = backend = 0.0
    for number in range(loaded, loaded + records, ROUND):
        spool = Spool(folder / f"spool-{number}", material.SPOOL_BYTES)
        with step(f"recording and shipping {number - loaded + ROUND:,} of {records:,}"):
            appending += _append(spool, number)
            seconds, own, theirs = _ship(spool, database)
        shutil.rmtree(spool.folder)
        shipping, processor, backend = shipping + seconds, processor + own, backend + theirs
        rounds.append(ROUND / seconds)
        say(f"   {rounds[-1]:,.0f} records a second")
    done = ROUND * len(rounds)
    return Shipped(
        loaded=loaded,
        gigabytes=_size(database),
        records=done,
        appended=done / appending,
        rounds=rounds,
        sustained=done / shipping,
        processor=processor / done * 1e6,
        backend=backend / done * 1e6,
    )


def _append(spool: Spool, first: int) -> float:
    """Seconds that recording took."""
    numbers = range(first, first + ROUND)
    made = [material.answer(one, explained=one % 20 == 0) for one in numbers]
    one = material.writer(spool)
    began = time.perf_counter()
    for entry, personal in made:
        one.record(entry, personal)
    took = time.perf_counter() - began
    one.close()
    return took


def _ship(spool: Spool, database: Database) -> tuple[float, float, float]:
    """Seconds, and those of the processor: the shipper's and its backend's."""
    shipper = Shipper(spool, database, None, None, Shipping(pause=0.0, look_every=0.5))
    with shipper.session.use() as connection:
        backend = connection.info.backend_pid
    began, busy = time.perf_counter(), time.process_time()
    while shipper.shipped.delivered < ROUND + 2:
        shipper.step()
    seconds, spent = time.perf_counter() - began, time.process_time() - busy
    theirs = usage.cpu_seconds(backend)
    shipper.close()
    return seconds, spent, theirs


def _size(database: Database) -> float:
    with database.connect() as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return float(row[0]) / 1e9
