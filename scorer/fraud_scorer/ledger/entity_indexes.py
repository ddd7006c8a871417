"""The indexes by which an entity's transactions are found, one for each kind of entity: which kinds
that are is a matter of the models, so these are no migrations.

Making one holds nobody up: each month's is made beside those who write, and the whole is there once
all months have theirs. What was broken off is gone on with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial

from psycopg import sql

from fraud_scorer.ledger.database import Connection, DatabaseError
from fraud_scorer.ledger.migrate import LOCK_TIMEOUT, patiently
from fraud_scorer.ledger.roles import Roles, as_owner

_TABLE = "transactions"
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LONGEST = 63
"""Of a name, in Postgres."""
_GIVE_WAY = f"SET lock_timeout = '{LOCK_TIMEOUT}'".encode()

_STATE = """
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)
"""
_LACKING = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = to_regclass(%s) AND NOT EXISTS (
    SELECT FROM pg_index i JOIN pg_inherits attached ON attached.inhrelid = i.indexrelid
    WHERE i.indrelid = child.oid AND attached.inhparent = to_regclass(%s))
ORDER BY child.relname
"""


def index_entities(connection: Connection, roles: Roles | None, kinds: Sequence[str]) -> None:
    """Have an index for each kind. Needs a connection with autocommit. Raises DatabaseError."""
    if wrong := [kind for kind in kinds if not _KIND.fullmatch(kind)]:
        raise DatabaseError(f"{wrong[0]!r} is no kind of entity, such as terminal")
    if not kinds:
        return
    with as_owner(connection, roles):
        try:
            connection.execute(_GIVE_WAY)
            for kind in kinds:
                patiently(f"the index by {kind}", partial(_index, connection, kind))
        finally:
            if not connection.closed:
                connection.execute("RESET lock_timeout")


def _index(connection: Connection, kind: str) -> None:
    whole = _name(_TABLE, kind)
    if _valid(connection, whole):
        return
    connection.execute(_create("INDEX IF NOT EXISTS", whole, "ONLY", _TABLE, kind))
    while lacking := connection.execute(_LACKING, [_TABLE, whole]).fetchall():
        for (month,) in lacking:
            part = _name(month, kind)
            if not _valid(connection, part):
                connection.execute(_statement("DROP INDEX IF EXISTS {}", part))  # broken off
                # It waits for transactions that are open, which may take longer than a lock should.
                connection.execute("SET lock_timeout = 0")
                connection.execute(_create("INDEX CONCURRENTLY", part, "", month, kind))
                connection.execute(_GIVE_WAY)
            connection.execute(_statement("ALTER INDEX {} ATTACH PARTITION {}", whole, part))


def _valid(connection: Connection, index: str) -> bool:
    row = connection.execute(_STATE, [index]).fetchone()
    return row is not None and bool(row[0])


def _create(what: str, name: str, only: str, table: str, kind: str) -> sql.Composed:
    return sql.SQL('CREATE {} {} ON {} {} ((entities->>{}), "timestamp")').format(
        sql.SQL(what),
        sql.Identifier(name),
        sql.SQL(only),
        sql.Identifier(table),
        sql.Literal(kind),
    )


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def _name(table: str, kind: str) -> str:
    """`TABLE_by_KIND`, or with a digest for the end of a kind that is too long for a name."""
    name = f"{table}_by_{kind}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(kind.encode()).hexdigest()[:8]}"
