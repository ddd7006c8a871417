"""From a manifest's declarations to tables of buckets: what is kept of each kind of entity.

Features that can share a table do: one of sums holds count, sum, maximum and time of all windows of
a bucket width and currency. How many buckets a table keeps follows from its longest window, and is
all that an entity's history can grow to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec

from fraud_scorer.artifact.features import Kept, LabelRate, Lookup, Window, seconds
from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.features.events import MOST

FORMAT = 2
"""Of stored histories. A change of `state` that reads old ones differently needs another."""

Shape = Literal["sums", "distinct", "labels", "attributes"]

AMOUNT = "+"
"""Is added to sums; no kind of entity is called so."""
TOTALS = {"sums": 4, "distinct": 1, "labels": 2, "attributes": 1}
"""How many numbers a window of a table of that shape has."""
OWN = TOTALS["sums"]
"""How many the bucket has that a transaction is in itself: those of a window of that bucket."""


@dataclass(frozen=True)
class Table:
    """Buckets of one width, of one kind of entity. What is left empty does not concern its shape.

    `windows` are (length, delay) in buckets, by delay and then length.
    """

    shape: Shape
    width: int = 0
    """Of a bucket, microseconds."""
    currency: str = ""
    """Only transactions in it; empty: all."""
    of: str = ""
    most: int = 0
    windows: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def keep(self) -> int:
        """How many buckets are kept, the newest: as many as the longest window reaches back."""
        return max((length + delay for length, delay in self.windows), default=0)

    @cached_property
    def size(self) -> int:
        """How many totals it has."""
        return TOTALS[self.shape] * (len(self.windows) or len(self.names))


@dataclass(frozen=True)
class KindLayout:
    """What is kept of one kind of entity."""

    kind: str
    tables: tuple[Table, ...]

    @cached_property
    def adding(self) -> tuple[tuple[int, str, str], ...]:
        """For each table the width of its buckets, the currency that counts (empty: all), and what
        is added: `AMOUNT`, the member of a kind of entity, or nothing (empty)."""
        return tuple(
            (one.width or MOST, one.currency, AMOUNT if one.shape == "sums" else one.of)
            for one in self.tables
        )

    @cached_property
    def names(self) -> int:
        """How many attributes there are: their values are the first of all totals."""
        return sum(len(one.names) for one in self.tables)

    @cached_property
    def sums(self) -> tuple[Table, ...]:
        """The tables of sums."""
        return tuple(one for one in self.tables if one.shape == "sums")

    def own(self, table: Table) -> int:
        """Where, among all totals of the entity, those of the transaction's own bucket are."""
        return self.names + OWN * self.sums.index(table)

    def place(self, table: Table, index: int) -> int:
        """Where the totals of that table's window (or name) are among all totals of the entity."""
        if table.names:
            return index
        timed = [one for one in self.tables if not one.names]
        before = sum(one.size for one in timed[: timed.index(table)])
        return self.names + OWN * len(self.sums) + before + TOTALS[table.shape] * index


@dataclass(frozen=True, slots=True)
class Placed:
    """A declared feature and where its totals are."""

    name: str
    source: Kept
    kind: int
    """Position among the layout's kinds."""
    at: int
    """Position of its first total among those of the entity."""
    own: int | None = None
    """Of a window of sums that ends with the transaction's own bucket: where that one's totals
    are, which belong to it as well."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is kept for one model's features. Models with the same declarations share histories."""

    kinds: tuple[KindLayout, ...]
    features: tuple[Placed, ...]
    digest: str
    """Histories are read by layouts of the same digest only."""
    longest: int
    """How far back any window reaches, microseconds."""


def layout(features: Iterable[Feature]) -> Layout:
    """The layout of a model's features; those that come from the request are no part of it."""
    declared = [(one.name, one.source) for one in features if one.source != "request"]
    kinds = tuple(
        KindLayout(kind, _tables([source for _, source in declared if source.entity == kind]))
        for kind in sorted({source.entity for _, source in declared})
    )
    placed = tuple(_placed(name, source, kinds) for name, source in declared)
    reaches = (table.keep * table.width for kind in kinds for table in kind.tables)
    return Layout(kinds, placed, _digest(kinds), max(reaches, default=0))


def _tables(sources: Sequence[Kept]) -> tuple[Table, ...]:
    windows: dict[Table, set[tuple[int, int]]] = {}
    most: dict[Table, int] = {}
    names: set[str] = set()
    for source in sources:
        if isinstance(source, Lookup):
            names.add(source.attribute)
            continue
        table = _bare(source)
        windows.setdefault(table, set()).add(_window(source))
        if isinstance(source, Window) and source.most:
            most[table] = max(most.get(table, 0), source.most)
    tables = [
        Table(
            shape=table.shape,
            width=table.width,
            currency=table.currency,
            of=table.of,
            most=most.get(table, 0),
            windows=tuple(sorted(its, key=lambda window: (window[1], window[0]))),
        )
        for table, its in windows.items()
    ]
    if names:
        tables.append(Table("attributes", names=tuple(sorted(names))))
    return tuple(sorted(tables, key=lambda one: (one.shape, one.width, one.currency, one.of)))


def _bare(source: Window | LabelRate) -> Table:
    """The table that a source is computed from, as far as the source alone says."""
    width = seconds(source.bucket) * 1_000_000
    if isinstance(source, LabelRate):
        return Table("labels", width)
    if source.aggregate == "distinct":
        return Table("distinct", width, source.currency or "", source.of or "")
    return Table("sums", width, source.currency or "")


def _window(source: Window | LabelRate) -> tuple[int, int]:
    width = seconds(source.bucket)
    return seconds(source.window) // width, (seconds(source.delay) if source.delay else 0) // width


def _placed(name: str, source: Kept, kinds: Sequence[KindLayout]) -> Placed:
    index = next(i for i, one in enumerate(kinds) if one.kind == source.entity)
    kind = kinds[index]
    if isinstance(source, Lookup):
        table = next(one for one in kind.tables if one.shape == "attributes")
        return Placed(name, source, index, kind.place(table, table.names.index(source.attribute)))
    bare = _bare(source)
    table = next(
        one
        for one in kind.tables
        if (one.shape, one.width, one.currency, one.of)
        == (bare.shape, bare.width, bare.currency, bare.of)
    )
    at = kind.place(table, table.windows.index(_window(source)))
    ends_now = table.shape == "sums" and not source.delay
    return Placed(name, source, index, at, kind.own(table) if ends_now else None)


def _digest(kinds: Sequence[KindLayout]) -> str:
    stored = [
        [kind.kind, t.shape, t.width, t.currency, t.of, t.most, t.windows, t.names]
        for kind in kinds
        for t in kind.tables
    ]
    return hashlib.sha256(msgspec.json.encode([FORMAT, stored])).hexdigest()[:12]
