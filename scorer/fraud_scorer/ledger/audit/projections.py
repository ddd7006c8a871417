"""The tables that people query, against the entries out of which they were read.

Both sides come in the order of chain and sequence, so that one pass through each is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import sql

from fraud_scorer.ledger.audit.findings import Finding, Kind
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import (
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
_PREDICTIONS, _TRANSACTIONS = "Postgres, predictions", "Postgres, transactions"


class Projections:
    """What is left of both tables to be compared."""

    def __init__(self, connection: Connection, subject_kind: str) -> None:
        """`subject_kind`: the kind of entity that `user_id` is."""
        self._subject_kind = subject_kind
        self.erased = 0
        """Transactions whose person was erased."""
        self._predictions = _Rows(
            connection, "predictions",
            "recorded_at, transaction_id, prediction_id, role, fraud_score, decision, rule, would,"
            " propensity, model, version",
        )  # fmt: skip
        self._transactions = _Rows(
            connection, "transactions",
            'recorded_at, transaction_id, user_id, "timestamp", amount_minor, currency, entities,'
            " personal, salt",
        )  # fmt: skip
        self._any_erasure = (
            connection.execute("SELECT 1 FROM erasures LIMIT 1").fetchone() is not None
        )

    def check(self, chain: UUID, sequence: int, entry: Entry) -> Iterator[Finding]:
        """What is wrong with the rows of that entry, and with those before them."""
        key = (chain, sequence)
        expected = _expected_predictions(entry)
        yield from _added(_PREDICTIONS, self._predictions.before(key))
        yield from _compared(_PREDICTIONS, key, expected, self._predictions.at(key))
        yield from _added(_TRANSACTIONS, self._transactions.before(key))
        found = self._transactions.at(key)
        if isinstance(entry, Answered) and entry.personal:
            yield from self._check_transaction(key, entry, found)
        elif found:
            yield from _added(_TRANSACTIONS, [key])

    def rest(self) -> Iterator[Finding]:
        """Rows beyond the last entry."""
        yield from _added(_PREDICTIONS, self._predictions.before(None))
        yield from _added(_TRANSACTIONS, self._transactions.before(None))

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
            right = right and self._any_erasure
        else:
            right = right and _as_committed(entry, known, personal, salt, self._subject_kind)
        if not right:
            yield _finding(Kind.CHANGED, _TRANSACTIONS, key, "its row is not what was recorded")


class _Rows:
    """A table's rows, by their entry."""

    def __init__(self, connection: Connection, table: str, columns: LiteralString) -> None:
        self._groups = groupby(_stream(connection, table, columns), key=lambda row: row[:2])
        self._next = next(self._groups, None)

    def before(self, key: Key | None) -> Iterator[Key]:
        """Pass over rows of entries before that one (or over all), which have no entry."""
        while self._next is not None and (key is None or self._next[0] < key):
            yield self._next[0]
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


def _added(where: str, keys: Iterator[Key] | list[Key]) -> Iterator[Finding]:
    for key in keys:
        yield _finding(Kind.ADDED, where, key, "there is a row that was not recorded")


def _finding(kind: Kind, where: str, key: Key, message: str) -> Finding:
    return Finding(kind, where, key[0], key[1], message)
