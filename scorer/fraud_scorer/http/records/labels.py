"""`POST /v1/labels`: what turned out to be true, one label, many, or a line each.

All of a request is recorded or nothing of it; what is there already is passed over. A transaction
that is not recorded (yet) may have labels: they are counted. With an `Idempotency-Key` the same
request gets the same answer for a week.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from fraud_scorer.http.asgi import Handler, Request, Response
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.records.bodies import Bodies, check
from fraud_scorer.http.records.ledger import Ledger
from fraud_scorer.http.records.refreshing import Refreshing
from fraud_scorer.ledger import labels
from fraud_scorer.ledger.labels import Label, WrongLabel
from fraud_scorer.problem import INVALID_QUERY, Problem

KEY_HEADER = b"idempotency-key"

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BODIES = Bodies(Label, "labels")

Principal = Callable[[Request], str]


def add_labels(
    ledger: Ledger, principal: Principal, limits: Limits, refreshing: Refreshing | None
) -> Handler:
    """The handler."""

    async def add(request: Request) -> Response:
        by, key = principal(request), idempotency_key(request)
        body, sent = await _BODIES.read(request, limits)
        _check(sent)
        answer, entities = await ledger.add_labels(sent, by=by, key=key, body=body)
        if refreshing is not None:
            refreshing.want(entities)
        return Response(answer)

    return add


def idempotency_key(request: Request) -> str:
    """The key that the caller chose for the request, or an empty string. Raises Problem."""
    key = request.headers.get(KEY_HEADER, b"").decode("latin-1")
    if key and not _KEY.fullmatch(key):
        raise Problem(
            INVALID_QUERY,
            "An Idempotency-Key has up to 255 visible ASCII characters, as a UUID has",
        )
    return key


def _check(sent: Sequence[Label]) -> None:
    now = datetime.now(UTC)

    def wrong(one: Label) -> str:
        try:
            labels.check(one, now)
        except WrongLabel as error:
            return str(error)
        return ""

    check("labels", "observed_at", sent, wrong)
