"""The records in Postgres, for the routes about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from fraud_scorer.http.records.access import RecordsAccess
from fraud_scorer.http.records.refreshing import Entity
from fraud_scorer.ledger import idempotency, labels, lookups, old_records
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.labels import Label
from fraud_scorer.ledger.lookups import Known, Past, Place
from fraud_scorer.ledger.old_records import Found


class PostgresLedger:
    """`access` is its own from now on. `refreshed`: features are kept of entities, and are to be
    read anew after a label."""

    name = "Postgres"

    def __init__(self, access: RecordsAccess, *, refreshed: bool) -> None:
        self._access, self._refreshed = access, refreshed

    async def add_labels(
        self, sent: Sequence[Label], *, by: str, key: str, body: bytes
    ) -> tuple[bytes, Sequence[Entity]]:
        """Add labels, in one transaction with the key."""

        def work(connection: Connection) -> tuple[bytes, list[Entity]]:
            answer = once(connection, f"labels {by}", key, body, lambda: recorded(connection))
            about = {one.transaction_id for one in sent} if self._refreshed else ()
            return answer, labels.entities_of(connection, about)

        def recorded(connection: Connection) -> bytes:
            return msgspec.json.encode(labels.add(connection, sent, by=by))

        return await self._access.ask(work)

    async def transaction(
        self, transaction_id: str, *, by: str, archived: Sequence[Found] | None
    ) -> Known:
        """What Postgres knows, and the archive."""

        def look(connection: Connection) -> Known:
            known = lookups.transaction(connection, transaction_id, principal=by)
            if archived is None:
                return known
            more = old_records.unlock(connection, archived, transaction_id, principal=by)
            return lookups.with_archived(known, more)

        return await self._access.ask(look)

    async def history(
        self,
        user_id: str,
        *,
        by: str,
        limit: int,
        before: datetime | None,
        after: Place | None,
    ) -> list[Past]:
        """As far as Postgres keeps it."""
        return await self._access.ask(
            lambda connection: lookups.history(
                connection, user_id, principal=by, limit=limit, before=before, after=after
            )
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._access.aclose()


def once(
    connection: Connection, scope: str, key: str, body: bytes, effect: Callable[[], bytes]
) -> bytes:
    """The answer of `effect`, which is had once for the key, in one transaction with it. Raises
    Problem where the key was used for another request."""
    with connection.transaction():
        if key:
            claim = idempotency.claim(connection, scope, key, hashlib.sha256(body).digest())
            if claim.state == "other":
                raise idempotency.taken()
            if claim.state == "same":
                return (claim.answer or "").encode()
        answer = effect()
        if key:
            idempotency.settle(connection, scope, key, answer.decode())
    return answer
