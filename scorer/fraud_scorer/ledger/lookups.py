"""Looking into what is known: of a transaction, of a user, and of who looked.

Every look is logged, and is an act, in the transaction that reads: what cannot be logged is not
shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from fraud_scorer.ledger import acts
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import digest_of
from fraud_scorer.ledger.entries import Acted, Answered, Shadowed, decode, decode_personal
from fraud_scorer.ledger.labels import Label
from fraud_scorer.ledger.rows import column

_END = datetime.max.replace(tzinfo=UTC)
ACTION = "look."
"""What the names of these acts begin with."""
MOST = 1000
"""Rows that one look shows."""


class Answer(Struct, frozen=True, omit_defaults=True):
    """One time that the transaction was answered, or looked at by a shadow. `duplicate_of` is the
    prediction_id of the first answer where it was answered again, as can be while nobody knows
    what was answered (Redis away), and after that was forgotten."""

    chain: str
    sequence: int
    entry: Answered | Shadowed
    personal: dict[str, Any] | None = None
    """None where the person was erased."""
    duplicate_of: str = ""


class Known(Struct, frozen=True):
    """Everything about one transaction."""

    transaction_id: str
    answers: tuple[Answer, ...]
    labels: tuple[Label, ...]


class Past(Struct, frozen=True):
    """One transaction of a user's history."""

    transaction_id: str
    timestamp: datetime
    recorded_at: datetime
    amount_minor: int
    currency: str
    entities: dict[str, str]
    fraud_score: float | None
    decision: str | None
    chain: UUID
    sequence: int
    """Where it is recorded."""

    @property
    def place(self) -> Place:
        """Its place in the history."""
        return Place(self.timestamp, self.chain, self.sequence)


class Place(NamedTuple):
    """A place in a history, where transactions may be of the same time."""

    timestamp: datetime
    chain: UUID
    sequence: int


class Access(Struct, frozen=True):
    """Somebody looked."""

    accessed_at: datetime
    principal: str
    action: str
    about: str
    found: int


def transaction(connection: Connection, transaction_id: str, *, principal: str) -> Known:
    """All that is known; without answers where there is nothing in Postgres."""
    wanted = column(transaction_id)
    with connection.transaction():
        rows = connection.execute(
            "SELECT a.chain, a.sequence, a.body, t.personal"
            " FROM (SELECT DISTINCT chain, sequence, recorded_at FROM predictions"
            " WHERE transaction_id = %s LIMIT %s) p"
            " JOIN audit a USING (chain, sequence, recorded_at)"
            " LEFT JOIN transactions t ON t.transaction_id = %s AND t.chain = a.chain"
            " AND t.sequence = a.sequence AND t.recorded_at = a.recorded_at"
            " ORDER BY a.recorded_at, a.chain, a.sequence",
            [wanted, MOST, wanted],
        ).fetchall()
        labels = connection.execute(
            "SELECT transaction_id, label, event_time, observed_at, source FROM labels"
            " WHERE transaction_id = %s ORDER BY observed_at, added_at LIMIT %s",
            [wanted, MOST],
        ).fetchall()
        log(connection, principal, "transaction", transaction_id, len(rows) + len(labels))
    names = Label.__struct_fields__
    return Known(
        transaction_id,
        linked([_answer(*row) for row in rows]),
        tuple(Label(**dict(zip(names, row, strict=True))) for row in labels),
    )


def history(
    connection: Connection,
    user_id: str,
    *,
    principal: str,
    before: datetime | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> list[Past]:
    """A user's transactions, newest first: those that happened before then, and that come after
    that place in the history."""
    conditions, values = 't.user_id = %s AND t."timestamp" < %s', [column(user_id), before or _END]
    if after is not None:
        conditions += (
            ' AND t."timestamp" <= %s AND (t."timestamp", t.chain, t.sequence) < (%s, %s, %s)'
        )
        values += [after.timestamp, *after]
    with connection.transaction():
        rows = connection.execute(
            'SELECT t.transaction_id, t."timestamp", t.recorded_at, t.amount_minor, t.currency,'  # noqa: S608
            " t.entities, p.fraud_score, p.decision, t.chain, t.sequence FROM transactions t"
            " LEFT JOIN predictions p ON p.transaction_id = t.transaction_id"
            " AND p.chain = t.chain AND p.sequence = t.sequence"
            " AND p.recorded_at = t.recorded_at AND p.role <> 'shadow'"
            f" WHERE {conditions}"
            ' ORDER BY t."timestamp" DESC, t.chain DESC, t.sequence DESC LIMIT %s',
            [*values, min(limit, MOST)],
        ).fetchall()
        log(connection, principal, "history", user_id, len(rows))
    return [Past(*row) for row in rows]


def accesses(connection: Connection, about: str, *, limit: int = 100) -> list[Access]:
    """Who looked at that, newest first."""
    rows = connection.execute(
        "SELECT accessed_at, principal, action, about, found FROM access_log WHERE about = %s"
        " ORDER BY accessed_at DESC LIMIT %s",
        [column(about), min(limit, MOST)],
    )
    return [Access(*row) for row in rows]


def linked(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Answers to one transaction, earliest first, each later one with the first that it repeats."""
    first = next((one.entry for one in answers if isinstance(one.entry, Answered)), None)
    return tuple(
        msgspec.structs.replace(one, duplicate_of=first.prediction_id)
        if first and isinstance(one.entry, Answered) and one.entry is not first
        else one
        for one in answers
    )


def with_archived(known: Known, archived: Sequence[Answer]) -> Known:
    """With what the archive has and Postgres has not (any more)."""
    there = {(one.chain, one.sequence) for one in known.answers}
    more = [one for one in archived if (one.chain, one.sequence) not in there]
    together = sorted([*more, *known.answers], key=lambda one: one.entry.at)
    return msgspec.structs.replace(known, answers=linked(together))


def log(connection: Connection, principal: str, action: str, about: str, found: int) -> None:
    """Note who looks; in the transaction that reads."""
    now = datetime.now(UTC)
    act = Acted(now, ACTION + action, principal, looked_at(about), {"found": found})
    connection.execute(
        "INSERT INTO access_log (accessed_at, principal, action, about, found, chain, sequence)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [now, column(principal), action, column(about), found, *acts.record(connection, act)],
    )


def looked_at(about: str) -> str:
    """How a look's act has whom or what it was about: it may be a person."""
    return digest_of(column(about)).hex()


def _answer(chain: Any, sequence: int, body: str, personal: str | None) -> Answer:
    entry = decode(body)
    if not isinstance(entry, Answered | Shadowed):
        raise ValueError(f"chain {chain} entry {sequence} is no answer: run audit verify")
    known = None if personal is None else msgspec.to_builtins(decode_personal(personal))
    return Answer(str(chain), sequence, entry, known)
