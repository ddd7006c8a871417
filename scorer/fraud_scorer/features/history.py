"""Where histories are read from when Redis has them not: what must never lose one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from fraud_scorer.features.layout import KindLayout, Table
from fraud_scorer.features.state import Tables


class HistoryAway(Exception):
    """The store of record cannot be asked, or did not answer."""


@dataclass(frozen=True, slots=True)
class Read:
    """An entity's history as it was read."""

    stamp: int
    """By the store's clock, microseconds: what was recorded before is in it."""
    tables: Tables


class History(Protocol):
    """The store of record."""

    async def read(
        self, kind: KindLayout, entity: str, *, time: int, now: int, excluding: Collection[str]
    ) -> Read:
        """What windows of transactions at `time` and later need of an entity, with what was
        observed until `now`, and without those transactions. Raises HistoryAway."""
        ...

    async def probe(self) -> None:
        """Raise where it cannot be asked."""
        ...


def first_bucket(table: Table, time: int) -> int:
    """The oldest bucket that windows of a transaction at `time` reach."""
    return time // table.width - table.keep + 1


def newest(rows: list[Any], table: Table, since: int) -> list[Any]:
    """A table of these rows, oldest first, of which it keeps the newest as `state` does."""
    width = {"sums": 5, "labels": 3, "distinct": 1}[table.shape]
    most = table.keep * width
    if len(rows) > most:
        last_dropped = rows[-most - width]
        since = (last_dropped[0] if table.shape == "distinct" else last_dropped) + 1
        rows = rows[-most:]
    return [since, *rows]
