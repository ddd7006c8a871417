"""`GET /v1/lists` and `POST /v1/lists`: who is on the allow and deny lists, and putting them there.

A request has one word, many, or a line each; all of it is recorded, or nothing. Serving processes
know it a few seconds later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from fraud_scorer.http.asgi import Handler, Request, Response, json_response
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.records.access import RecordsAccess
from fraud_scorer.http.records.bodies import Bodies, check
from fraud_scorer.http.records.labels import Principal, idempotency_key
from fraud_scorer.http.records.postgres import once
from fraud_scorer.http.records.queries import number, one_of, query
from fraud_scorer.ledger import lists, lookups
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.lists import Said, Word

_BODIES = Bodies(Word, "words")
_QUERY: Mapping[str, Callable[[str], Any]] = {
    "list": one_of("allow", "deny"),
    "kind": str,
    "id": str,
    "history": lambda text: one_of("true", "false")(text) == "true",
    "after": number(0, 2**63 - 1),
    "limit": number(1, lookups.MOST),
}
_LIMIT = 100


class Listed(Struct, frozen=True):
    """What was asked for of the lists. `next_after` is for what follows; null at the end."""

    words: tuple[Said, ...]
    next_after: int | None


def show_lists(access: RecordsAccess, principal: Principal) -> Handler:
    """The handler of GET."""

    async def show(request: Request) -> Response:
        by = principal(request)
        asked = {"limit": _LIMIT, **query(request, _QUERY)}
        found = await access.ask(lambda connection: lists.look(connection, principal=by, **asked))
        more = found[-1].number if len(found) == asked["limit"] else None
        return json_response(Listed(tuple(found), more))

    return show


def change_lists(
    access: RecordsAccess, principal: Principal, limits: Limits, changed: Callable[[], None]
) -> Handler:
    """The handler of POST. `changed` is told when there is something new."""

    async def change(request: Request) -> Response:
        by, key = principal(request), idempotency_key(request)
        body, words = await _BODIES.read(request, limits)
        now = datetime.now(UTC)
        check("words", "expires_at", words, lambda one: lists.check(one, now))

        def said(connection: Connection) -> bytes:
            taken = lists.say(connection, words, by=by)
            return msgspec.json.encode(taken)

        answer = await access.ask(
            lambda connection: once(connection, f"lists {by}", key, body, lambda: said(connection))
        )
        changed()
        return Response(answer)

    return change
