"""What goes to `observe.lua` and comes back, as bytes: it says what the parts are.

Numbers are doubles, as scripts count in these; what is not there in every request is msgpack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from struct import Struct
from typing import Any

import msgspec

from fraud_scorer.features.layout import OWN, KindLayout, Table
from fraud_scorer.features.state import Cells, Totals

NOW, OTHER, KNOWN = b"NOK"
"""Letters of the answer."""

TRANSACTION = Struct("<BBdd16s")
"""How, number of entities, time, accepted, fingerprint."""

_SHAPES = {"sums": 1, "distinct": 2, "labels": 3, "attributes": 4}
_LENGTH = Struct("<I")
LENGTH = _LENGTH.size
REMEMBERED = 24
"""Bytes of what is remembered of a transaction, before the totals: a fingerprint, and a time."""
_BEFORE = 17
"""Bytes of a stored history, besides its buckets and totals, before the rest of it."""
_decode = msgspec.msgpack.Decoder().decode


class PackedKind:
    """The entities of one kind."""

    def __init__(self, kind: KindLayout) -> None:
        timed = [table for table in kind.tables if table.width]
        distinct = [table for table in timed if table.shape == "distinct"]
        owned = OWN * len(kind.sums)
        numbers = owned + sum(table.size for table in timed)
        self._totals = Struct(f"<{numbers}d")
        order = [2 * kind.tables.index(table) for table in timed]
        order += [2 * kind.tables.index(table) + 1 for table in (*kind.sums, *distinct)]
        self._picked = _picker(order)
        self._cells = Struct(f"<BB{len(order)}d")
        self._told = bool(kind.names)
        own = _BEFORE + 8 * len(timed)
        self.described = [
            [_table(one) for one in kind.tables], len(timed), len(kind.sums), f"<{'d' * owned}",
            8 * numbers, self._told, len(distinct), 8 * len(order),
            str(-1 if self._told else own + 8 * numbers - 1), str(own),
            f"<{'d' * (numbers - owned)}",
        ]  # fmt: skip
        """As KINDS of history.lua has it."""

    def entity(self, kind: int, given: bool, cells: Cells) -> bytes:
        """One entity of a transaction."""
        return self._cells.pack(kind + 1, given, *self._picked(cells))

    def totals(self, reply: bytes, at: int) -> tuple[Totals, int]:
        """The totals that begin there, and where they end."""
        numbers = self._totals.unpack_from(reply, at)
        at += self._totals.size
        if not self._told:
            return numbers, at
        names, at = told(reply, at)
        return (*names, *numbers), at


def told(reply: bytes, at: int) -> tuple[list[Any], int]:
    """A list that has its length before it, and where it ends."""
    (length,) = _LENGTH.unpack_from(reply, at)
    at += _LENGTH.size
    return _decode(reply[at : at + length]), at + length


def _picker(order: Sequence[int]) -> Callable[[Cells], Sequence[int]]:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda cells: [cells[index] for index in order]


def _table(table: Table) -> list[Any]:
    shape = _SHAPES[table.shape]
    if table.shape == "attributes":
        return [shape, len(table.names)]
    flat = [number for window in table.windows for number in window]
    return [shape, table.keep, table.most, table.width, flat]
