"""Allow and deny lists in Postgres: who was put on one or taken off it, by whom, why, until when.

What is said is added and never changed, and noted in a chain of the audit, by a digest of the
entity. Of a list and an entity the latest word holds: that it was added, until it expires, or that
it was removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraud_scorer.ledger import acts, vouched
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import digest_of
from fraud_scorer.ledger.entries import Acted
from fraud_scorer.ledger.lookups import MOST, log
from fraud_scorer.ledger.rows import column, moment
from fraud_scorer.ledger.vouched import Detail

_SAYING = 0x6C697374
"""Whoever adds words holds this advisory lock, so that their numbers come in the order of commits.
"""
COLUMNS = "number, list, action, entity_kind, entity_id, expires_at, reason, said_by, said_at"
_ADD = (
    "INSERT INTO list_entries"  # noqa: S608
    " (list, action, entity_kind, entity_id, expires_at, reason, said_by, chain, sequence)"
    f" VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING {COLUMNS}"
).encode()
_HOLDS = (
    "action = 'add' AND (expires_at IS NULL OR expires_at > now()) AND NOT EXISTS ("
    "SELECT FROM list_entries AS later WHERE later.entity_kind = word.entity_kind"
    " AND later.entity_id = word.entity_id AND later.list = word.list"
    " AND later.number > word.number)"
)

ACTION = "list."
"""What the names of these acts begin with."""

ListName = Literal["allow", "deny"]


class Word(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entity is put on a list, or taken off it."""

    list: ListName
    action: Literal["add", "remove"]
    kind: Annotated[
        str,
        Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(?!\n)$", description="The kind of entity: customer."),
    ]
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        Meta(description="From when on it holds no more; without it, until it is removed."),
    ] = None


class Said(Struct, frozen=True):
    """A word that was added, with who added it and when."""

    number: int
    list: ListName
    action: Literal["add", "remove"]
    kind: str
    id: str
    expires_at: datetime | None
    reason: str
    by: str
    at: datetime


class Taken(Struct, frozen=True):
    """What became of words."""

    added: int
    removed: int
    not_listed: int
    """Of the removed ones, how many were not on the list."""


def check(word: Word, now: datetime) -> str:
    """What is wrong with a word; empty where nothing is."""
    if word.expires_at is None:
        return ""
    if word.action == "remove":
        return "has no place where an entry is removed"
    return "" if word.expires_at > now else "lies in the past"


def say(connection: Connection, words: Sequence[Word], *, by: str) -> Taken:
    """Add words, in their order."""
    with acts.acting(connection) as acting:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SAYING])
        removed = not_listed = 0
        for one in words:
            if one.action == "remove":
                removed += 1
                not_listed += not _listed(connection, one)
            said = connection.execute(
                _ADD,
                [one.list, one.action, one.kind, column(one.id),
                 one.expires_at and moment(one.expires_at), column(one.reason), column(by),
                 *acting.place],
            )  # fmt: skip
            acting.record(_act(one, by, vouched.detail(said)))
    return Taken(len(words) - removed, removed, not_listed)


def holding(connection: Connection, *, after: int = 0, limit: int | None = None) -> list[Said]:
    """The words that hold now, in the order of their numbers; unlogged, for who decides by them."""
    return _read(connection, f"{_HOLDS} AND number > %s", [after], limit)


def since(connection: Connection, number: int, *, limit: int | None = None) -> list[Said]:
    """All that was said after the word with that number, in order; unlogged."""
    return _read(connection, "number > %s", [number], limit)


def newest(connection: Connection) -> int:
    """The number of the newest word; 0 where there is none."""
    row = connection.execute("SELECT coalesce(max(number), 0) FROM list_entries").fetchone()
    return int(row[0]) if row else 0


def look(
    connection: Connection,
    *,
    principal: str,
    list: str | None = None,
    kind: str | None = None,
    id: str | None = None,
    history: bool = False,
    after: int = 0,
    limit: int = 100,
) -> list[Said]:
    """The words that hold now, or all there ever were; logged."""
    conditions: Sequence[str] = ["number > %s"]
    values: Sequence[object] = [after]
    for name, value in (("list", list), ("entity_kind", kind), ("entity_id", id)):
        if value is not None:
            conditions, values = [*conditions, f"{name} = %s"], [*values, column(value)]
    if not history:
        conditions = [*conditions, _HOLDS]
    with connection.transaction():
        found = _read(connection, " AND ".join(conditions), values, min(limit, MOST))
        log(connection, principal, "lists", id or f"list {list or 'of each kind'}", len(found))
    return found


def _read(
    connection: Connection, condition: str, values: Sequence[object], limit: int | None
) -> list[Said]:
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM list_entries AS word WHERE {condition}"  # noqa: S608
        " ORDER BY number LIMIT %s".encode(),
        [*values, limit],
    )
    return [Said(*row) for row in rows]


def _listed(connection: Connection, word: Word) -> bool:
    return bool(
        connection.execute(
            f"SELECT FROM list_entries AS word WHERE {_HOLDS}"
            " AND entity_kind = %s AND entity_id = %s AND list = %s".encode(),
            [word.kind, column(word.id), word.list],
        ).fetchone()
        is not None
    )


def _act(word: Word, by: str, vouches: Detail) -> Acted:
    """How it stands in the chain, which nobody can be erased from."""
    about = digest_of(column(f"{word.kind}={word.id}")).hex()
    until: Detail = {} if word.expires_at is None else {"expires_at": word.expires_at.isoformat()}
    action = f"{ACTION}{word.list}.{word.action}"
    return Acted(datetime.now(UTC), action, by, about, {**until, **vouches})
