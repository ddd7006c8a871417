"""Entries as a scorer would make them, and what tests do with a chain again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entries import Answered, Personal, Prediction, Reason, Shadowed
from fraud_scorer.ledger.migrate import migrate
from fraud_scorer.ledger.roles import Roles, grant, make_roles
from fraud_scorer.ledger.seals import Signer
from fraud_scorer.ledger.shipper import Shipper, Shipping
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.ledger.writer import Recording, Writer

Connection = psycopg.Connection[tuple[Any, ...]]

_SHIPPERS: dict[Path, Shipper] = {}

SEGMENT = 1 << 20
RECORDING = Recording(segment_bytes=SEGMENT, segment_age=3600.0, sync_every=0.02)
SHIPPING = Shipping(
    pause=0.02, look_every=0.0, recover_every=0.0, archive_pause=0.05, acts_age=0.0, grace=20.0
)


def migrated(dsn: str, passwords: dict[str, str] | None = None) -> None:
    """Bring the schema of a database up to date, with roles and the partitions of these months."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        make_roles(connection, Roles(), passwords or {})
        migrate(connection, Roles())
        grant(connection, Roles())
        partitions.make(connection, partitions.months_ahead(datetime.now(UTC)))


def answered(number: int, *, at: datetime | None = None, **changes: Any) -> Answered:
    """The answer to a transaction."""
    prediction = Prediction(
        role="active",
        score=number % 1000 / 1000,
        decision="review" if number % 10 == 0 else "approve",
        model="card-payments",
        version="v1",
        digest="sha256:" + "9f" * 32,
        reasons=(Reason("R07", "amount", "raises", 0.31),) if number % 10 == 0 else (),
    )
    fields: dict[str, Any] = {
        "at": at or datetime.now(UTC),
        "prediction_id": f"p-{number}",
        "transaction_id": f"tx-{number}",
        "predictions": (prediction,),
        "principal": "checkout",
    }
    return Answered(**(fields | changes))


def personal(number: int, customer: str | None = None, **changes: Any) -> Personal:
    """What is personal of it."""
    fields: dict[str, Any] = {
        "event_time": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "entities": {"customer": customer or f"c-{number % 7}", "terminal": f"t-{number % 5}"},
        "amount_minor": 1000 + number,
        "currency": "EUR",
        "features": {"amount": 10.0 + number, "channel": "app"},
    }
    return Personal(**(fields | changes))


def writer(spool: Spool, recording: Recording = RECORDING) -> Writer:
    """A process' chain."""
    return Writer(spool, recording, detector="cards", pod="cards-1", software="0.1.0")


def write(writer: Writer, numbers: range, **changes: Any) -> None:
    """Record answers."""
    for number in numbers:
        writer.record(answered(number, **changes), personal(number))


def recorded(spool: Spool, numbers: range) -> UUID:
    """A whole chain of answers, as a process leaves it that ended in order; its name."""
    one = writer(spool)
    write(one, numbers)
    one.close()
    return one.chain


def recorded_twice(spool: Spool, numbers: range) -> None:
    """The same, with tx-10 answered once more, and looked at by a shadow."""
    one = writer(spool)
    write(one, numbers)
    twice = answered(10, prediction_id="p-again", degraded=("idempotency",), duplicate=True)
    one.record(twice, personal(10))
    shadow = msgspec.structs.replace(twice.predictions[0], role="shadow", version="v2")
    one.record(Shadowed(datetime.now(UTC), "p-again", "tx-10", (shadow,)))
    one.close()


def shipper(
    spool: Spool,
    ledger: Database,
    archive: Archive | None = None,
    signer: Signer | None = None,
    shipping: Shipping = SHIPPING,
) -> Shipper:
    """Who ships; whoever shipped this spool before has ended."""
    if (before := _SHIPPERS.pop(spool.folder, None)) is not None:
        before.close()
    one = _SHIPPERS[spool.folder] = Shipper(spool, ledger, archive, signer, shipping)
    return one


def ship(*arguments: Any, **named: Any) -> Shipper:
    """Ship all that there is, as at the end of a pod, whose writers have closed."""
    stop = threading.Event()
    stop.set()
    one = shipper(*arguments, **named)
    assert one.run(stop), "something stayed in the spool"
    del _SHIPPERS[arguments[0].folder]
    return one


def steps_until(one: Shipper, what: str, look: Callable[[], object], *, steps: int = 2000) -> None:
    """Let a shipper work until that is so."""
    pause = threading.Event()
    for _ in range(steps):
        if look():
            return
        one.step()
        pause.wait(0.01)
    raise AssertionError(f"never: {what}")


def count(connection: Connection, table: str) -> int:
    """Rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    (found,) = connection.execute(query).fetchone() or (0,)
    return int(found)
