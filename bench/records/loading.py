"""The records of three months, loaded once by COPY: what is there before anything is shipped.

They are lines as the shipper writes them, of one answer, with everything that differs between
answers filled in: bodies, personal data and ids are as long and as scattered as they will be.
Only the hashes of the chains are not worked out, as nobody verifies them here.

Each month's partitions are filled before they are attached: their indexes are built at once then.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from psycopg import sql

from bench.records import material
from fraud_scorer.ledger import rows
from fraud_scorer.ledger.chain import HASH_BYTES, Link
from fraud_scorer.ledger.database import Connection, Database
from fraud_scorer.ledger.entries import SALT_BYTES, Answered, commitment, encode, salted
from fraud_scorer.ledger.partitions import after, month_of
from tests.cluster.progress import say

MONTHS = 3
_A_CHAIN = 100_000
"""Entries of one process."""
_TOGETHER = 1000
_SAID_EVERY = 500_000
_COLUMNS = {
    "audit": rows.AUDIT,
    "transactions": rows.TRANSACTIONS,
    "predictions": rows.PREDICTIONS,
}
ROWS_A_RECORD = len(_COLUMNS)
_AT = datetime(2001, 2, 3, 4, 5, 6, 7, UTC)
_CHAIN, _SEQUENCE = UUID(int=7), 987_654_321


@dataclass(frozen=True)
class Span:
    """The records of one month: numbers, and the time that they are spread over."""

    month: date
    numbers: range
    begins: datetime
    ends: datetime

    def at(self, number: int) -> datetime:
        """When that one was recorded."""
        share = (number - self.numbers.start) / len(self.numbers)
        return self.begins + share * (self.ends - self.begins)


def load(database: Database, records: int) -> None:
    """Load so many, evenly over this month and those before it."""
    for span in _spans(records, datetime.now(UTC)):
        with ExitStack() as stack:
            connections = {table: stack.enter_context(database.transaction()) for table in _COLUMNS}
            for table, connection in connections.items():
                _create(connection, table, span)
            _copy(connections, span)
            with ThreadPoolExecutor(len(connections)) as pool:
                each = [pool.submit(_attach, at, of, span) for of, at in connections.items()]
                for one in each:
                    one.result()
        say(f"   {span.numbers.stop:,} records are loaded and indexed")


def _spans(records: int, now: datetime) -> Iterator[Span]:
    months = [month_of(now)]
    while len(months) < MONTHS:
        months.insert(0, month_of(_midnight(months[0]) - timedelta(days=1)))
    first = 0
    for place, month in enumerate(months, 1):
        beyond = records * place // MONTHS
        ends = min(_midnight(after(month)), now)
        yield Span(month, range(first, beyond), _midnight(month), ends)
        first = beyond


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _part(table: str, span: Span) -> str:
    return f"{table}{span.month:_%Y_%m}"


def _create(connection: Connection, table: str, span: Span) -> None:
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        ).format(sql.Identifier(_part(table, span)), sql.Identifier(table))
    )  # fmt: skip


def _copy(connections: dict[str, Connection], span: Span) -> None:
    """Each table by a connection of its own, so that Postgres works on all of them at once."""
    lines = {table: _template(table) for table in connections}
    with ExitStack() as stack:
        copies = {
            # FREEZE: as if autovacuum had been there, which in such a table it was long ago.
            table: stack.enter_context(
                connection.cursor().copy(
                    f"COPY {_part(table, span)} ({_COLUMNS[table]}) FROM STDIN (FREEZE)".encode()
                )
            )
            for table, connection in connections.items()
        }
        numbers = span.numbers
        for first in range(numbers.start, numbers.stop, _TOGETHER):
            known = _known(range(first, min(first + _TOGETHER, numbers.stop)), span.at(first))
            for table, copy in copies.items():
                line = lines[table]
                copy.write("".join([line % one for one in known]).encode())
            if (first - numbers.start) % _SAID_EVERY == 0 and first > numbers.start:
                say(f"   {first:,} records are loaded")


def _attach(connection: Connection, table: str, span: Span) -> None:
    connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
    part = sql.Identifier(_part(table, span))
    connection.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(table), part, sql.Literal(span.month), sql.Literal(after(span.month))
        )
    )
    connection.execute(sql.SQL("ANALYZE {}").format(part))


def _known(numbers: range, at: datetime) -> list[dict[str, object]]:
    """What is filled in, for records of about the same time."""
    second = at.replace(tzinfo=None, microsecond=0).isoformat()
    found = []
    for place, number in enumerate(numbers):
        chain = f"00000000-0000-0000-0000-{number // _A_CHAIN + 1:012x}"
        transaction, prediction, customer, terminal, score = material.ids(number)
        found.append(
            {
                "at": f"{second}.{place:06}", "chain": chain, "sequence": number % _A_CHAIN + 1,
                "transaction": transaction, "prediction": prediction, "customer": customer,
                "terminal": terminal, "score": score,
            }
        )  # fmt: skip
    return found


def _template(table: str) -> str:
    """A line of that table, with the names of what is filled in."""
    number = 0xFEDCBA987654
    entry, personal = material.answer(number, explained=False, at=_AT)
    made = rows.Rows("customer", lambda subject, when: False)
    made.add(_CHAIN, _link(entry, salted(personal, bytes(SALT_BYTES))))
    (line,) = getattr(made, table)
    its = material.ids(number)
    line = line.replace("%", "%%")
    for text, name in (
        (_AT.replace(tzinfo=None).isoformat(), "at"), (str(_CHAIN), "chain"),
        (str(_SEQUENCE), "sequence"), (its.transaction, "transaction"),
        (its.prediction, "prediction"), (its.customer, "customer"), (its.terminal, "terminal"),
        (repr(its.score), "score"),
    ):  # fmt: skip
        line = line.replace(text, f"%({name})s")
    return str(line)


def _link(entry: Answered, beside: bytes) -> Link:
    entry.personal = commitment(beside)
    return Link(_SEQUENCE, encode(entry), beside, bytes(range(HASH_BYTES)))
