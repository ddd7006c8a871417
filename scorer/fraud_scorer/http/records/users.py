"""`GET /v1/users/{id}/features`: a user's transactions, newest first, and the features kept of the
user as they are now."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.http.asgi import Handler, Request, Response, json_response
from fraud_scorer.http.records.labels import Principal
from fraud_scorer.http.records.ledger import Ledger
from fraud_scorer.http.records.queries import moment, number, query
from fraud_scorer.ledger import lookups
from fraud_scorer.ledger.lookups import Past, Place


def _place(text: str) -> Place:
    """What `_text` made of one."""
    try:
        timestamp, chain, sequence = text.split("~")
        return Place(moment(timestamp), UUID(chain), int(sequence))
    except ValueError:
        raise ValueError("give what the page before says in next_after, as it is") from None


def _text(place: Place) -> str:
    return f"{place.timestamp.isoformat()}~{place.chain}~{place.sequence}"


_QUERY = {"before": moment, "after": _place, "limit": number(1, lookups.MOST)}
_LIMIT = 100

Kept = Callable[[str], Awaitable[Mapping[str, Value] | None]]
"""The kept features of a user; None where they cannot be had now."""

_log = logging.getLogger(__name__)


class UserFeatures(Struct, frozen=True):
    """What is known of a user."""

    user_id: str
    features: Annotated[
        dict[str, Value] | None,
        Meta(description="As they are now; null where none are kept, or they cannot be had now."),
    ]
    history: Annotated[tuple[Past, ...], Meta(description="The user's transactions, newest first.")]
    next_after: Annotated[
        str | None, Meta(description="Give it as `after` for what follows; null at the end.")
    ]


def show_user(ledger: Ledger, principal: Principal, kept: Kept | None) -> Handler:
    """The handler."""

    async def show(request: Request) -> Response:
        by, user = principal(request), request.parameters["id"]
        asked = query(request, _QUERY)
        limit = asked.get("limit", _LIMIT)
        past = await ledger.history(
            user, by=by, limit=limit, before=asked.get("before"), after=asked.get("after")
        )
        more = _text(past[-1].place) if len(past) == limit else None
        return json_response(UserFeatures(user, await _now(user), tuple(past), more))

    async def _now(user: str) -> dict[str, Value] | None:
        if kept is None:
            return None
        try:
            found = await kept(user)
        except Exception as error:  # the history is worth an answer without them
            _log.warning("the features of a user cannot be had: %s", error)
            return None
        return None if found is None else dict(found)

    return show
