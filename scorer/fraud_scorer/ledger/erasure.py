"""Erasing a person: what is personal goes, and every chain stays verifiable.

In Postgres the rows lose what is personal and the salts; in the archive it becomes noise, as its
key is deleted. What is still on its way (a spool, a pending segment) is erased when it arrives.
The entries themselves hold a commitment only, and are not touched. That somebody was erased is
recorded, by digest: never who.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from fraud_scorer.ledger import acts, lookups
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import DELIVERING, digest_of
from fraud_scorer.ledger.emptied import Emptied
from fraud_scorer.ledger.entries import Acted
from fraud_scorer.ledger.rows import column

ACTION = "erase"
ERASED = "erased "
"""What stands before a digest in the place of a person who was looked at."""


class Erased(Struct, frozen=True):
    """What was done."""

    transactions: int
    key_deleted: bool
    digest: str
    """How the erasure is remembered."""
    listed: int = 0
    """Words about the person on lists, which hold no more."""


def erase(
    connection: Connection, kind: str, who: str, *, subject_kind: str, principal: str
) -> Erased:
    """Erase the person `who`. Needs the tables' owner. Raises ValueError for another kind of entity
    than that whose keys there are."""
    if kind != subject_kind:
        raise ValueError(
            f"{kind!r} is not what persons are here: this ledger knows them as {subject_kind}=ID"
        )
    subject = column(f"{kind}={who}")
    digest = digest_of(subject)
    with connection.transaction():
        # No delivery is under way from here to the end, so that none brings back what was erased.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [DELIVERING])
        now = datetime.now(UTC)
        connection.execute(
            "INSERT INTO erasures (subject_sha256, erased_at) VALUES (%s, %s)", [digest, now]
        )
        rows = Emptied()
        for place in connection.execute(
            'UPDATE transactions SET user_id = NULL, "timestamp" = NULL, amount_minor = NULL,'
            " currency = NULL, entities = NULL, personal = NULL, salt = NULL WHERE user_id = %s"
            " RETURNING chain, sequence, recorded_at",
            [column(who)],
        ):
            rows.add(*place)
        connection.execute(
            "DELETE FROM entity_attributes WHERE entity_kind = %s AND entity_id = %s",
            [kind, column(who)],
        )
        listed = connection.execute(
            "DELETE FROM list_entries WHERE entity_kind = %s AND entity_id = %s",
            [kind, column(who)],
        ).rowcount
        connection.execute(
            "UPDATE access_log SET about = %s WHERE about = %s",
            [ERASED + lookups.looked_at(who), column(who)],
        )
        keys = connection.execute("DELETE FROM subject_keys WHERE subject = %s", [subject]).rowcount
        detail = {"transactions": rows.rows, "looks": lookups.looked_at(who), **rows.detail()}
        acts.record(connection, Acted(now, ACTION, principal, digest.hex(), detail))
    return Erased(rows.rows, keys > 0, digest.hex(), listed)
