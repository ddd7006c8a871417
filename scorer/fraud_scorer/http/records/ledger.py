"""What the routes about labels and look-ups ask of the records, wherever these are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fraud_scorer.http.records.refreshing import Entity
from fraud_scorer.ledger.labels import Label
from fraud_scorer.ledger.lookups import Known, Past, Place
from fraud_scorer.ledger.old_records import Found


class Ledger(Protocol):
    """Of one event loop. Every look is logged with who looked (`by`). All raise Problem where the
    records cannot be used now."""

    @property
    def name(self) -> str:
        """Where they are, for whoever is told that something is not there."""
        ...

    async def add_labels(
        self, sent: Sequence[Label], *, by: str, key: str, body: bytes
    ) -> tuple[bytes, Sequence[Entity]]:
        """Add all of them, once for a key; the answer as JSON, and whose kept features are to be
        read anew. `body` is the request as it came. Raises Problem where the key stands for
        another request."""
        ...

    async def transaction(
        self, transaction_id: str, *, by: str, archived: Sequence[Found] | None
    ) -> Known:
        """All that is known of it, with what was found in the archive, where that was searched."""
        ...

    async def history(
        self,
        user_id: str,
        *,
        by: str,
        limit: int,
        before: datetime | None,
        after: Place | None,
    ) -> list[Past]:
        """A user's transactions, newest first, from that time or place on."""
        ...

    async def aclose(self) -> None:
        """Have nothing to do with them any more."""
        ...
