"""Monthly partitions: made ahead, detached and dropped once the archive has what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from psycopg import sql

from fraud_scorer.ledger.database import Connection

PARTITIONED = ("audit", "transactions", "predictions", "access_log")
AHEAD = 3
"""Months beyond the present one: whoever makes partitions may be away for as long."""

_NAME = re.compile(r"_(\d{4})_(\d{2})$")


def month_of(moment: datetime) -> date:
    """The first day of its month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def months_ahead(now: datetime) -> list[date]:
    """The present month and those that are made ahead."""
    first = month_of(now)
    return [_plus(first, months) for months in range(AHEAD + 1)]


def make(connection: Connection, months: Iterable[date]) -> None:
    """Make the partitions of these months, where they are missing."""
    for month in sorted(set(months)):
        connection.execute("SELECT make_partitions(%s)", [month])


def months(connection: Connection, table: str = "audit", *, going: bool = True) -> list[date]:
    """The months that the table has partitions for, oldest first; also those that are `going`,
    which readers do not see any more."""
    rows = connection.execute(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = %s::regclass AND (%s OR NOT inhdetachpending)",
        [table, going],
    )
    matches = (_NAME.search(name) for (name,) in rows)
    return sorted(date(int(one[1]), int(one[2]), 1) for one in matches if one)


def since(connection: Connection, table: str) -> datetime | None:
    """Since when readers see everything in it; None where it has no partitions."""
    seen = months(connection, table, going=False)
    return datetime(seen[0].year, seen[0].month, 1, tzinfo=UTC) if seen else None


def drop(connection: Connection, month: date) -> None:
    """Detach and drop a month's partitions, that of `audit` last: for as long as it is there, what
    was broken off is begun again, and no other row lacks its entry. Needs a connection with
    autocommit, as the owner."""
    for table in reversed(PARTITIONED):
        name = sql.Identifier(f"{table}{month:_%Y_%m}")
        state = connection.execute(
            "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)",
            [f"{table}{month:_%Y_%m}"],
        ).fetchone()
        if state is not None:
            # Neither waits for readers nor makes them wait; what was broken off is finished.
            how = sql.SQL("FINALIZE" if state[0] else "CONCURRENTLY")
            connection.execute(
                sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(
                    sql.Identifier(table), name, how
                )
            )
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))


def after(month: date) -> date:
    """The month after."""
    return _plus(month, 1)


def _plus(month: date, months: int) -> date:
    years, rest = divmod(month.month - 1 + months, 12)
    return date(month.year + years, rest + 1, 1)
