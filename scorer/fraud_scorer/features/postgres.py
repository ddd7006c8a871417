"""Histories out of the transactions and labels in Postgres: one statement an entity.

What it needs of the tables is in `Names`; docs/features.md has it for those who make them. A
transaction recorded twice counts once, by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from fraud_scorer.features.events import MOST, member
from fraud_scorer.features.history import HistoryAway, Read, first_bucket, newest
from fraud_scorer.features.layout import KindLayout, Table
from fraud_scorer.features.state import NOTHING

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
    """Reads through a small pool of its own; `patience` seconds a statement, in the background."""

    def __init__(
        self, server: Mapping[str, Any], *, names: Names | None = None, connections: int = 2,
        patience: float = 2.0,
    ) -> None:  # fmt: skip
        """`server` is what asyncpg connects by: host, port, user, database, password (which may be
        a function, as passwords change), ssl."""
        self._server, self._names = server, names or Names()
        self._connections, self._patience = connections, patience
        self._pool: asyncpg.Pool | None = None
        self._statements: dict[KindLayout, str] = {}

    async def probe(self) -> None:
        """Connect where there is no connection, and ask for an answer. Raises HistoryAway."""
        if self._pool is None:
            try:
                self._pool = await asyncio.wait_for(self._connected(), self._patience)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                raise HistoryAway(f"Postgres cannot be reached: {error or 'no answer'}") from None
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
        row = await self._row(statement, entity, list(excluding), _datetime(first), _datetime(now))
        stamp, *found = row
        tables = [_rows(table, rows, time) for table, rows in zip(kind.tables, found, strict=True)]
        return Read(stamp, tables)

    async def aclose(self) -> None:
        """Give up the connections."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _connected(self) -> asyncpg.Pool:
        milliseconds = str(int(self._patience * 1000))
        return await asyncpg.create_pool(
            **self._server, min_size=1, max_size=self._connections,
            server_settings={
                "application_name": "fraud-scorer features",
                "statement_timeout": milliseconds,
                "default_transaction_read_only": "on",
            },
        )  # fmt: skip

    async def _row(self, statement: str, *arguments: Any) -> Any:
        """The one row. A connection that gives none in time is dropped, not waited for: to cancel
        a statement would take another connection to a server that does not answer."""
        if self._pool is None:
            raise HistoryAway("there is no connection to Postgres")
        try:
            connection = await self._pool.acquire(timeout=self._patience)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise HistoryAway(f"no connection to Postgres: {error or 'no answer'}") from None
        asked = asyncio.ensure_future(connection.fetchrow(statement, *arguments))
        try:
            await asyncio.wait({asked}, timeout=self._patience)
            if not asked.done():
                connection.terminate()
            return await asked
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise HistoryAway(f"Postgres: {error}") from None
        finally:
            if not asked.done():
                connection.terminate()
                await asyncio.gather(asked, return_exceptions=True)
            await self._pool.release(connection)


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


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=max(microseconds, 0))
