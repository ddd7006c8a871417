"""`GET /v1/transactions/{id}`: everything known about a transaction.

All times that it was answered (a second time links the first), what shadows said, the labels, and
where in which chain each is recorded. What Postgres does not keep any more is looked for in the
archive, where there is one and `around` says about when it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fraud_scorer.artifact.store import StoreError
from fraud_scorer.http.asgi import Handler, Request, Response, json_response
from fraud_scorer.http.records.labels import Principal
from fraud_scorer.http.records.ledger import Ledger
from fraud_scorer.http.records.queries import moment, number, query
from fraud_scorer.ledger import old_records
from fraud_scorer.ledger.archive import Archive, DamagedFile
from fraud_scorer.ledger.old_records import Found
from fraud_scorer.ledger.seals import SealError, Verifier
from fraud_scorer.problem import (
    ARCHIVE_AWAY,
    INVALID_QUERY,
    NOT_FOUND,
    OVERLOADED,
    RETRY_AFTER,
    Problem,
)

_log = logging.getLogger(__name__)

MOST_HOURS = 31 * 24
_QUERY = {"around": moment, "within_hours": number(1, MOST_HOURS)}


class OldRecords:
    """The archive for handlers: one search at a time, and `patience` seconds for it. It is opened
    for the first one, as most processes never look into it."""

    def __init__(
        self, opened: Callable[[], tuple[Archive, Verifier]], *, patience: float = 30.0
    ) -> None:
        """`opened` gives the archive and who knows its seals; it may raise StoreError, SealError
        and ValueError."""
        self._opened, self._patience = opened, patience
        self._there: tuple[Archive, Verifier] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._busy = asyncio.Lock()

    async def search(self, transaction_id: str, around: datetime, hours: int) -> list[Found]:
        """Raises Problem where the archive cannot be read, or is being searched already."""
        if self._busy.locked():
            raise Problem(
                OVERLOADED, "The archive is being searched for others: ask again in a moment",
                headers=RETRY_AFTER,
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        async with self._busy:
            asked = loop.run_in_executor(self._thread, self._search, transaction_id, around, hours)
            try:
                return await asyncio.wait_for(asyncio.shield(asked), self._patience)
            except TimeoutError:
                raise Problem(
                    ARCHIVE_AWAY,
                    f"The archive was not searched in {self._patience:g} s: ask for a shorter time"
                    " by within_hours, or by fraud-scorer audit show",
                ) from None
            except (StoreError, DamagedFile, SealError, ValueError) as error:
                _log.error("the archive cannot be read", extra={"error": str(error)})
                raise Problem(
                    ARCHIVE_AWAY,
                    f"The archive cannot be read ({type(error).__name__}): fraud-scorer audit"
                    " verify says whether it is damaged",
                ) from None

    def close(self) -> None:
        """Search no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _search(self, transaction_id: str, around: datetime, hours: int) -> list[Found]:
        if self._there is None:
            self._there = self._opened()
        within = timedelta(hours=hours)
        return old_records.search(*self._there, transaction_id, around=around, within=within)


def show_transaction(ledger: Ledger, principal: Principal, old: OldRecords | None) -> Handler:
    """The handler."""

    async def show(request: Request) -> Response:
        by, wanted = principal(request), request.parameters["id"]
        asked: dict[str, Any] = query(request, _QUERY)
        around = asked.get("around")
        if around is not None and old is None:
            raise Problem(INVALID_QUERY, "around: there is no archive here; ask without it")
        if around is None and "within_hours" in asked:
            raise Problem(INVALID_QUERY, "within_hours goes with around")
        found = None
        if around is not None and old is not None:
            found = await old.search(wanted, around, asked.get("within_hours", 24))
        known = await ledger.transaction(wanted, by=by, archived=found)
        if not known.answers and not known.labels:
            where = f"in {ledger.name}" + (", and in the archive of then" if around else "")
            more = "; what is older is found with around=TIME" if old and around is None else ""
            raise Problem(NOT_FOUND, f"Nothing is known of this transaction {where}{more}")
        return json_response(msgspec.to_builtins(known))

    return show
