"""Whether what is to stay in Postgres has room there, by what its days take now."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.database import Connection

_LONGEST_MONTH = 31
_FULL = 0.85
"""Beyond that a disk is too full for vacuums, indexes being made, and bursts of the log."""


class Room(Struct, frozen=True):
    """What Postgres has and needs, in bytes."""

    used: int
    """By the whole database."""
    a_day: int
    """By the records of a day, at the pace of the month before and of this one so far."""
    needed: int
    """Once all of `hot` is there: a month goes only as a whole."""
    storage: int

    @property
    def enough(self) -> bool:
        """Whether it fits, with some left."""
        return max(self.used, self.needed) <= self.storage * _FULL


def room(
    connection: Connection, *, hot: timedelta, storage: int, now: datetime | None = None
) -> Room:
    """Measure it."""
    now = now or datetime.now(UTC)
    present = partitions.month_of(now)
    before = partitions.month_of(datetime.combine(present, datetime.min.time(), UTC) - _DAY)
    sizes = {month: _size(connection, month) for month in partitions.months(connection)}
    (used,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    days = max(1, (now.date() - (before if sizes.get(before) else present)).days)
    a_day = (sizes.get(before, 0) + sizes.get(present, 0)) // days
    other = used - sum(sizes.values())
    needed = other + a_day * (hot.days + _LONGEST_MONTH)
    return Room(used, a_day, needed, storage)


_DAY = timedelta(days=1)


def _size(connection: Connection, month: date) -> int:
    """Of a month's partitions, with their indexes; 0 where nothing was written into them."""
    names = [f"{table}{month:_%Y_%m}" for table in partitions.PARTITIONED]
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE pg_relation_size(c.oid) > 0)"
        " FROM pg_class c WHERE c.oid = ANY(%s::text[]::regclass[])",
        [names],
    ).fetchone()
    return int(row[0] or 0) if row else 0
