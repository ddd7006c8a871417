"""The tables that people query, against the entries out of which they were read.

Both sides come in the order of chain and sequence, so that one pass through each is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import sql

from fraud_scorer.ledger import erasure, partitions
from fraud_scorer.ledger.audit.findings import NO_CHAIN, Finding, Kind
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import EMPTIED
from fraud_scorer.ledger.emptied import Emptied, month_of
from fraud_scorer.ledger.entries import (
    Acted,
    Answered,
    Entry,
    Shadowed,
    commitment,
    decode_personal,
)
from fraud_scorer.ledger.rows import column, drawn, moment

Row = tuple[Any, ...]
Key = tuple[UUID, int]

_FETCHED = 5000
_EVER = datetime.min.replace(tzinfo=UTC)
_MOST_NAMED = 100
"""Rows of a month that are named one by one."""
_PREDICTIONS, _TRANSACTIONS = "Postgres, predictions", "Postgres, transactions"


class Projections:
    """What is left of both tables to be compared."""

    def __init__(self, connection: Connection, subject_kind: str, since: datetime) -> None:
        """`subject_kind`: the kind of entity that `user_id` is. `since`: what came before is not in
        Postgres any more."""
        self._subject_kind = subject_kind
        self.erased = 0
        """Transactions whose person was erased."""
        self._emptied, self._told = Emptied(), Emptied()
        self._first_emptied: dict[str, list[Key]] = {}
        self._predictions = Rows(
            connection, "predictions",
            "recorded_at, transaction_id, prediction_id, role, fraud_score, decision, rule, would,"
            " propensity, model, version",
        )  # fmt: skip
        self._transactions = Rows(
            connection, "transactions",
            'recorded_at, transaction_id, user_id, "timestamp", amount_minor, currency, entities,'
            " personal, salt",
        )  # fmt: skip
        self._since = month_of(max(since, self._transactions.since))

    def check(self, chain: UUID, sequence: int, entry: Entry) -> Iterator[Finding]:
        """What is wrong with the rows of that entry, and with those before them."""
        key = (chain, sequence)
        yield from _added(_PREDICTIONS, self._predictions.before(key))
        rows = self._predictions.at(key)
        if rows or entry.at >= self._predictions.since:
            yield from _compared(_PREDICTIONS, key, _expected_predictions(entry), rows)
        yield from _added(_TRANSACTIONS, self._transactions.before(key))
        found = self._transactions.at(key)
        if not found and entry.at < self._transactions.since:
            pass
        elif isinstance(entry, Answered) and entry.personal:
            yield from self._check_transaction(key, entry, found)
        elif found:
            yield from _added(_TRANSACTIONS, [(key, found)])
        if isinstance(entry, Acted) and entry.action in (erasure.ACTION, EMPTIED):
            self._told.add_told(entry.detail)

    def rest(self) -> Iterator[Finding]:
        """Rows beyond the last entry."""
        yield from _added(_PREDICTIONS, self._predictions.before(None))
        yield from _added(_TRANSACTIONS, self._transactions.before(None))
        for month in sorted(self._emptied.months | self._told.months):
            if month >= self._since and self._emptied.of(month) != self._told.of(month):
                yield from self._not_erased(month)

    def _not_erased(self, month: str) -> Iterator[Finding]:
        """The emptied rows of a month are not those that erasures emptied."""
        (there, _), (told, _) = self._emptied.of(month), self._told.of(month)
        if not told and there <= _MOST_NAMED:
            for key in self._first_emptied[month]:
                yield _finding(
                    Kind.CHANGED, _TRANSACTIONS, key, "its row was emptied, and nobody was erased"
                )
            return
        yield Finding(
            Kind.CHANGED, f"{_TRANSACTIONS} of {month}", NO_CHAIN, -1,
            f"{there} rows are emptied, and they are not the {told} that erasures emptied",
        )  # fmt: skip

    def _check_transaction(self, key: Key, entry: Answered, found: list[Row]) -> Iterator[Finding]:
        if not found:
            yield _finding(Kind.REMOVED, _TRANSACTIONS, key, "its row is missing")
            return
        if len(found) > 1:
            yield _finding(Kind.ADDED, _TRANSACTIONS, key, f"it has {len(found)} rows")
        recorded_at, transaction_id, *known, personal, salt = found[0]
        right = (recorded_at, transaction_id) == (entry.at, column(entry.transaction_id))
        if personal is None and salt is None and not any(one is not None for one in known):
            self.erased += 1
            self._emptied.add(*key, entry.at)
            named = self._first_emptied.setdefault(month_of(entry.at), [])
            if len(named) < _MOST_NAMED:
                named.append(key)
        else:
            right = right and _as_committed(entry, known, personal, salt, self._subject_kind)
        if not right:
            yield _finding(Kind.CHANGED, _TRANSACTIONS, key, "its row is not what was recorded")


class Rows:
    """A table's rows, by their entry."""

    def __init__(self, connection: Connection, table: str, columns: LiteralString) -> None:
        self.since = partitions.since(connection, table) or _EVER
        """What is older may have been dropped already, while its entry is still there."""
        self._groups = groupby(_stream(connection, table, columns), key=lambda row: row[:2])
        self._next = next(self._groups, None)

    def before(self, key: Key | None) -> Iterator[tuple[Key, list[Row]]]:
        """Rows of entries before that one (or of all that are left), which have no entry."""
        while self._next is not None and (key is None or self._next[0] < key):
            yield self._next[0], [row[2:] for row in self._next[1]]
            self._next = next(self._groups, None)

    def at(self, key: Key) -> list[Row]:
        """The rows of that entry."""
        if self._next is None or self._next[0] != key:
            return []
        rows = [row[2:] for row in self._next[1]]
        self._next = next(self._groups, None)
        return rows


def _stream(connection: Connection, table: str, columns: LiteralString) -> Iterator[Row]:
    with connection.cursor(f"{table}_rows") as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(
            sql.SQL("SELECT chain, sequence, {} FROM {} ORDER BY chain, sequence").format(
                sql.SQL(columns), sql.Identifier(table)
            )
        )
        yield from cursor


def _expected_predictions(entry: Entry) -> list[Row]:
    if not isinstance(entry, Answered | Shadowed):
        return []
    transaction, prediction = column(entry.transaction_id), column(entry.prediction_id)
    return [
        (
            entry.at, transaction, prediction, one.role, one.score, one.decision,
            column(one.rule) or None, *drawn(entry, one), column(one.model), column(one.version),
        )
        for one in entry.predictions
    ]  # fmt: skip


def _compared(where: str, key: Key, expected: list[Row], found: list[Row]) -> Iterator[Finding]:
    if Counter(expected) == Counter(found):
        return
    if len(found) < len(expected):
        yield _finding(Kind.REMOVED, where, key, "a row is missing")
    elif len(found) > len(expected):
        yield _finding(Kind.ADDED, where, key, "there is a row that was not recorded")
    else:
        yield _finding(Kind.CHANGED, where, key, "a row is not what was recorded")


def _as_committed(
    entry: Answered, known: list[Any], personal: Any, salt: Any, subject_kind: str
) -> bool:
    """Whether a row has the data that the entry commits to, in all of its columns."""
    if personal is None or salt is None or commitment(salt + personal.encode()) != entry.personal:
        return False
    try:
        said = decode_personal(personal)
    except msgspec.DecodeError:
        return False
    entities = {kind: column(who) for kind, who in said.entities.items()}
    return known == [
        entities.get(subject_kind), moment(said.event_time), said.amount_minor,
        column(said.currency), entities,
    ]  # fmt: skip


def _added(where: str, orphans: Iterable[tuple[Key, list[Row]]]) -> Iterator[Finding]:
    for key, _ in orphans:
        yield _finding(Kind.ADDED, where, key, "there is a row that was not recorded")


def _finding(kind: Kind, where: str, key: Key, message: str) -> Finding:
    return Finding(kind, where, key[0], key[1], message)
