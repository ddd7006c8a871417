"""Histories out of the transactions and labels in Postgres: one statement an entity.

What it needs of the tables is in `Names`; docs/features.md has it for those who make them. A
transaction recorded twice counts once, by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fraud_scorer import line
from fraud_scorer.features.events import MOST, member
from fraud_scorer.features.history import HistoryAway, Read, first_bucket, newest
from fraud_scorer.features.layout import KindLayout, Table
from fraud_scorer.features.state import NOTHING

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATE = timedelta(days=1)
"""How long before it happened a transaction may have been recorded: clocks differ."""


@dataclass(frozen=True, slots=True)
class Names:
    """How tables and columns are called. The SQL is ours; ids and kinds never get into it as text.

    `entities` says which column an entity's id is in, for kinds that have one; others are looked up
    in the `entities` column (jsonb).
    """

    transactions: str = "transactions"
    labels: str = "labels"
    attributes: str = "entity_attributes"
    time: str = '"timestamp"'
    entities: Mapping[str, str] = field(default_factory=dict)

    def entity(self, kind: str) -> str:
        """The expression of an entity's id."""
        return self.entities.get(kind, f"(entities->>'{kind}')")

    def index(self, kind: str) -> str:
        """The index by which an entity's history is found."""
        return (
            f"CREATE INDEX IF NOT EXISTS {self.transactions}_by_{kind}"
            f" ON {self.transactions} ({self.entity(kind)}, {self.time})"
        )


class PostgresHistory:
    """Reads through a few connections of its own; `patience` seconds a statement, in the
    background."""

    def __init__(
        self, conninfo: Callable[[], str], *, names: Names | None = None, connections: int = 2,
        patience: float = 2.0,
    ) -> None:  # fmt: skip
        """`conninfo` gives what libpq connects by, and is asked for each connection anew, as
        passwords change."""
        self._conninfo, self._names = conninfo, names or Names()
        self._seats, self._patience = asyncio.Semaphore(connections), patience
        self._idle: list[Connection] = []
        self._statements: dict[KindLayout, str] = {}

    async def probe(self) -> None:
        """Ask for an answer. Raises HistoryAway."""
        await self._row("SELECT 1")

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        """See History."""
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = _statement(kind, self._names)
        timed = [table for table in kind.tables if table.width]
        first = min((first_bucket(one, time) * one.width for one in timed), default=time)
        row = await self._row(
            statement, _text(entity), [*map(_text, excluding)], _datetime(first), _datetime(now)
        )
        stamp, *found = row
        tables = [_rows(table, rows, time) for table, rows in zip(kind.tables, found, strict=True)]
        return Read(stamp, tables)

    async def aclose(self) -> None:
        """Give up the connections."""
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    async def _row(self, statement: str, *arguments: Any) -> Any:
        """The one row, in time."""
        end = asyncio.get_running_loop().time() + self._patience
        try:
            async with asyncio.timeout_at(end):
                await self._seats.acquire()
        except TimeoutError:
            raise HistoryAway("all connections to Postgres are waited for") from None
        try:
            connection = await self._connected(end)
            row = await _asked(connection, statement, arguments, end)
            self._idle.append(connection)
            return row
        finally:
            self._seats.release()

    async def _connected(self, end: float) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if _quiet(connection):
                return connection
            await connection.close()
        try:
            where = self._where()
            async with asyncio.timeout_at(end):
                return await Connection.connect(where, autocommit=True)
        except Exception as error:  # a Secret that is not there is no other case than a server
            raise HistoryAway(f"Postgres cannot be reached: {error or 'no answer'}") from None

    def _where(self) -> str:
        given: dict[str, Any] = conninfo_to_dict(self._conninfo())
        options = (
            f"{given.pop('options', None) or ''} -c statement_timeout={int(self._patience * 1000)}"
            " -c default_transaction_read_only=on -c timezone=UTC"
        )
        return make_conninfo(
            **{**given, "application_name": "fraud-scorer features", "options": options.strip()}
        )


async def _asked(
    connection: Connection, statement: str, arguments: Sequence[Any], end: float
) -> Any:
    """The one row. A connection that gives none in time is cut, not waited for."""
    loop = asyncio.get_running_loop()
    asked = loop.create_task(_fetch(connection, statement, arguments))
    answered = False
    try:
        await asyncio.wait({asked}, timeout=end - loop.time())
        if not asked.done():
            raise HistoryAway("Postgres did not answer in time")
        row = await asked
        answered = True
        return row
    except psycopg.Error as error:
        raise HistoryAway(f"Postgres: {error}") from None
    finally:
        if not answered:
            _cut(connection)
            await asyncio.gather(asked, return_exceptions=True)
            await connection.close()


async def _fetch(connection: Connection, statement: str, arguments: Sequence[Any]) -> Any:
    async with psycopg.AsyncRawCursor(connection) as cursor:
        # A statement is one of a few, and some of them take longer to plan than to run.
        await cursor.execute(statement.encode(), arguments, binary=True, prepare=True)
        return await cursor.fetchone()


def _quiet(connection: Connection) -> bool:
    with line.of(connection) as found:
        return line.quiet(found)


def _cut(connection: Connection) -> None:
    with suppress(psycopg.Error), line.of(connection) as found:  # or it is closed already
        line.cut(found)


def _statement(kind: KindLayout, names: Names) -> str:
    """$1 the entity, $2 ids to leave out, $3 the earliest time, $4 the latest of observations."""
    tables = ",\n".join(f"({_table(table, kind, names)})" for table in kind.tables)
    members = "".join(
        f", {names.entity(of)} AS of_{of}" for of in sorted({one.of for one in kind.tables}) if of
    )
    return f"""
WITH its AS MATERIALIZED (
  SELECT DISTINCT ON (transaction_id) transaction_id, amount_minor, currency{members},
    least(greatest((extract(epoch FROM {names.time}) * 1000000)::bigint, 0), {MOST}) AS us
  FROM {names.transactions}
  WHERE {names.entity(kind.kind)} = $1 AND {names.time} >= $3::timestamptz
    AND recorded_at >= $3::timestamptz - interval '{int(_LATE.total_seconds())} seconds'
  ORDER BY transaction_id, recorded_at
), counted AS (
  SELECT * FROM its WHERE transaction_id <> ALL($2::text[])
), said AS (
  SELECT DISTINCT ON (l.transaction_id) its.us, l.label <> 'cleared' AS fraud
  FROM its JOIN {names.labels} l USING (transaction_id)
  WHERE l.observed_at <= $4::timestamptz
  ORDER BY l.transaction_id, l.observed_at DESC, fraud DESC
)
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
{tables}"""  # noqa: S608


def _table(table: Table, kind: KindLayout, names: Names) -> str:
    # One bucket more than is kept, so that it is known where the kept ones begin.
    newest_first = f"GROUP BY 1 ORDER BY 1 DESC LIMIT {table.keep + 1}"
    wanted = f"currency = '{table.currency}'" if table.currency else "true"
    if table.shape == "sums":
        return f"""SELECT array_agg(ARRAY[b, c, s, m, l] ORDER BY b) FROM (
  SELECT us / {table.width}, count(*), least(sum(amount_minor), {MOST})::bigint,
    max(amount_minor), max(us) FROM counted WHERE {wanted}
  {newest_first}) AS buckets (b, c, s, m, l)"""  # noqa: S608
    if table.shape == "labels":
        return f"""SELECT array_agg(ARRAY[b, n, f] ORDER BY b) FROM (
  SELECT us / {table.width}, count(*), count(*) FILTER (WHERE fraud) FROM said
  {newest_first}) AS buckets (b, n, f)"""  # noqa: S608
    if table.shape == "distinct":
        return f"""SELECT json_agg(json_build_array(b, e) ORDER BY b)::text FROM (
  SELECT us / {table.width}, (array_agg(DISTINCT of_{table.of}))[1:{table.most}]
  FROM counted WHERE {wanted} AND of_{table.of} IS NOT NULL {newest_first}) AS buckets (b, e)"""  # noqa: S608
    listed = ", ".join(f"'{name}'" for name in table.names)
    return f"""SELECT json_object_agg(name, value)::text FROM (
  SELECT DISTINCT ON (name) name, value FROM {names.attributes}
  WHERE entity_kind = '{kind.kind}' AND entity_id = $1 AND observed_at <= $4::timestamptz
    AND name IN ({listed}) ORDER BY name, observed_at DESC, recorded_at DESC) AS told"""  # noqa: S608


def _rows(table: Table, found: Any, time: int) -> list[Any]:
    if table.shape == "attributes":
        told = msgspec.json.decode(found) if found else {}
        return [told.get(name, NOTHING) for name in table.names]
    since = first_bucket(table, time)
    if table.shape == "distinct":
        buckets = msgspec.json.decode(found) if found else []
        rows = [[bucket, *map(member, members)] for bucket, members in buckets if bucket >= since]
        return newest(rows, table, since)
    flat = [number for row in found or () if row[0] >= since for number in row]
    return newest(flat, table, since)


def _text(value: str) -> str:
    """An id as it is recorded: Postgres' text has no NUL."""
    return value.replace("\x00", "\ufffd")


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=max(microseconds, 0))
