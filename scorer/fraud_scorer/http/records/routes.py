"""The routes about records, for whoever puts the API together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fraud_scorer.http.asgi import Request, Routes
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.records.access import RecordsAccess
from fraud_scorer.http.records.labels import add_labels
from fraud_scorer.http.records.ledger import Ledger
from fraud_scorer.http.records.lists import change_lists, show_lists
from fraud_scorer.http.records.refreshing import Refreshing
from fraud_scorer.http.records.transactions import OldRecords, show_transaction
from fraud_scorer.http.records.users import Kept, show_user
from fraud_scorer.pipeline.context import Context


@dataclass(frozen=True)
class Records:
    """What the routes need, and what belongs to one event loop: `aclose` it at the end."""

    ledger: Ledger
    lists: RecordsAccess | None = None
    """Where allow and deny lists are, which is in Postgres; it closes with the ledger."""
    old: OldRecords | None = None
    """Where there is an archive."""
    refreshing: Refreshing | None = None
    """Where features are kept."""
    kept: Kept | None = None
    """The features of a user, where some are kept."""
    lists_changed: Callable[[], None] = lambda: None
    """Is told that there are new words about lists, so that they are read soon."""

    async def aclose(self) -> None:
        """End what goes on, and close what is open."""
        if self.refreshing is not None:
            await self.refreshing.aclose()
        if self.old is not None:
            self.old.close()
        await self.ledger.aclose()


def routes(
    records: Records, admit: Callable[[Mapping[bytes, bytes]], Context], limits: Limits
) -> Routes:
    """The handlers by path. `admit` is the pipeline's, which says who asks."""

    def principal(request: Request) -> str:
        return admit(request.headers).principal

    ledger = records.ledger
    found = {
        "/v1/labels": {"POST": add_labels(ledger, principal, limits, records.refreshing)},
        "/v1/transactions/{id}": {"GET": show_transaction(ledger, principal, records.old)},
        "/v1/users/{id}/features": {"GET": show_user(ledger, principal, records.kept)},
    }
    if records.lists is not None:
        found["/v1/lists"] = {
            "GET": show_lists(records.lists, principal),
            "POST": change_lists(records.lists, principal, limits, records.lists_changed),
        }
    return found
