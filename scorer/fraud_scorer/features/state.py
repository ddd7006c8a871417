"""The one definition of an entity's history: what its tables hold, and their totals at a time.

A table is a flat list, oldest bucket first, as it is stored in Redis:

    sums        since, then bucket, count, sum, maximum, latest time for each bucket
    distinct    since, then a list of bucket and members for each bucket
    labels      since, then bucket, labelled, frauds for each bucket
    attributes  a value (or `NOTHING`) for each name

`since` is the first bucket from which on nothing is missing. A window that reaches behind it is not
known, and its totals are `UNKNOWN`. All that is added commutes: a table depends on which
transactions are in it, not on their order. `history.lua` says the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fraud_scorer.features.events import MOST, Transaction, member
from fraud_scorer.features.layout import AMOUNT, KindLayout, Table

ALWAYS = -MOST
"""`since` of a history that nothing is missing from."""
UNKNOWN = -1
NOTHING = False
"""An attribute that was never told of; None would make a hole in a list of Redis's scripts."""

Tables = list[list[Any]]
"""Of one entity, in the order of its kind's layout."""
Totals = Sequence[Any]
"""Of one entity: its attributes, then count, sum, maximum and latest time of each table of sums in
the transaction's own bucket, then those of all windows, in the order of its kind's layout. A window
of sums is without that own bucket: `values` puts the two together, as one more transaction changes
the one and not the other."""
Cells = list[int]
"""What a transaction adds: for each table its bucket, and what is added (-1: nothing)."""


def empty(kind: KindLayout) -> Tables:
    """The history of an entity of which nothing was ever seen."""
    return [
        [NOTHING] * len(table.names) if table.shape == "attributes" else [ALWAYS]
        for table in kind.tables
    ]


def cells(kind: KindLayout, transaction: Transaction) -> Cells:
    """Which buckets a transaction belongs to, and what it adds there."""
    found: Cells = []
    time, its_currency = transaction.time, transaction.currency
    for width, currency, what in kind.adding:
        added = -1
        if what and (not currency or currency == its_currency):
            if what == AMOUNT:
                added = transaction.amount_minor
            elif what in transaction.entities:
                added = member(transaction.entities[what])
        found.append(time // width)
        found.append(added)
    return found


def add(kind: KindLayout, tables: Tables, cell: Cells, time: int) -> None:
    """Count a transaction of that time."""
    for index, table in enumerate(kind.tables):
        bucket, added = cell[2 * index], cell[2 * index + 1]
        if added >= 0:
            if table.shape == "sums":
                add_sum(tables[index], table.keep, bucket, added, time)
            else:
                add_member(tables[index], table, bucket, added)


def label(kind: KindLayout, tables: Tables, time: int, labelled: int, frauds: int) -> None:
    """Count (or, negative, discount) labels of a transaction of that time."""
    for table, rows in zip(kind.tables, tables, strict=True):
        if table.shape == "labels":
            at = _row(rows, 3, table.keep, time // table.width)
            if at:
                rows[at + 1] += labelled
                rows[at + 2] += frauds


def unknown(kind: KindLayout, totals: Totals) -> bool:
    """Whether a window's totals are not known (an attribute may be -1 as well)."""
    return UNKNOWN in totals and any(
        totals[kind.place(table, index)] == UNKNOWN
        for table in kind.tables
        for index in range(len(table.windows))
    )


def totals(kind: KindLayout, tables: Tables, cell: Cells) -> Totals:
    """The totals of all windows of a transaction whose buckets are those of `cell`."""
    said: list[Any] = []
    own: list[int] = []
    out: list[int] = []
    for index, table in enumerate(kind.tables):
        if table.shape == "sums":
            _sums(tables[index], table, cell[2 * index], own, out)
        elif table.shape == "distinct":
            _distinct(tables[index], table, cell[2 * index], out)
        elif table.shape == "labels":
            _labels(tables[index], table, cell[2 * index], out)
        else:
            said += tables[index]
    return [*said, *own, *out]


def add_sum(sums: list[int], keep: int, bucket: int, amount: int, time: int) -> None:
    """Count a transaction in a table of sums."""
    at = _row(sums, 5, keep, bucket)
    if at:
        sums[at + 1] += 1
        sums[at + 2] = min(sums[at + 2] + amount, MOST)
        sums[at + 3] = max(sums[at + 3], amount)
        sums[at + 4] = max(sums[at + 4], time)


def add_member(distinct: list[Any], table: Table, bucket: int, added: int) -> None:
    """Note a member in a table of such; beyond `most` a bucket is full."""
    if bucket < distinct[0]:
        return
    at = len(distinct)
    while at > 1 and distinct[at - 1][0] > bucket:
        at -= 1
    if at > 1 and distinct[at - 1][0] == bucket:
        row = distinct[at - 1]
        if len(row) <= table.most and added not in row[1:]:
            row.append(added)
        return
    distinct.insert(at, [bucket, added])
    if len(distinct) > table.keep + 1:
        distinct[0] = distinct.pop(1)[0] + 1


def _row(rows: list[int], width: int, keep: int, bucket: int) -> int:
    """Where that bucket's row begins, made if need be; 0 where it is older than all that is kept.

    Of `keep` + 1 buckets the oldest goes, and windows that reach there are no longer known.
    """
    if bucket < rows[0]:
        return 0
    at = len(rows)
    while at > 1 and rows[at - width] > bucket:
        at -= width
    if at > 1 and rows[at - width] == bucket:
        return at - width
    rows[at:at] = [bucket] + [0] * (width - 1)
    if len(rows) > keep * width + 1:
        rows[0] = rows[1] + 1
        del rows[1 : width + 1]
        at -= width
    return max(at, 0)


def _sums(rows: list[int], table: Table, bucket: int, own: list[int], out: list[int]) -> None:
    """Windows of the same delay end alike, so each goes on where the shorter one stopped."""
    ends = -1
    newest = len(rows) - 5
    while newest > 0 and rows[newest] > bucket:
        newest -= 5
    if newest > 0 and rows[newest] == bucket:
        own += rows[newest + 1 : newest + 5]
        newest -= 5
    else:
        own += (0, 0, 0, 0)
    for length, delay in table.windows:
        if delay != ends:
            ends = delay
            last = bucket - delay
            at = newest
            while at > 0 and rows[at] > last:
                at -= 5
            count = amount = highest = latest = 0
        first = bucket - delay - length + 1
        while at > 0 and rows[at] >= first:
            count += rows[at + 1]
            amount += rows[at + 2]
            highest = max(highest, rows[at + 3])
            latest = max(latest, rows[at + 4])
            at -= 5
        if first < rows[0]:
            out += (UNKNOWN, 0, 0, 0)
        else:
            amount = min(amount, MOST)
            out += (count, amount, highest, latest)


def _labels(rows: list[int], table: Table, bucket: int, out: list[int]) -> None:
    for length, delay in table.windows:
        last = bucket - delay
        first = last - length + 1
        labelled = frauds = 0
        for at in range(len(rows) - 3, 0, -3):
            if rows[at] < first:
                break
            if rows[at] <= last:
                labelled += rows[at + 1]
                frauds += rows[at + 2]
        out += (labelled, frauds) if first >= rows[0] else (UNKNOWN, 0)


def _distinct(rows: list[Any], table: Table, bucket: int, out: list[int]) -> None:
    for length, delay in table.windows:
        last = bucket - delay
        first = last - length + 1
        members: set[int] = set()
        for row in reversed(rows[1:]):
            if row[0] < first or len(members) >= table.most:
                break
            if row[0] <= last:
                members.update(row[1:])
        out.append(min(len(members), table.most) if first >= rows[0] else UNKNOWN)
