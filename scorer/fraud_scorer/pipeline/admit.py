"""Stage one: who asks, until when, and traced how. It sees headers only, before any of the body.

Keys and rate limits have their place here; so far nobody is asked for a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fraud_scorer.pipeline.context import Context

ANONYMOUS = "anonymous"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def admit(
    headers: Mapping[bytes, bytes], now: float, patience: float, route: str = "score"
) -> Context:
    """The context of a request that came at `now`, on that way, and is worth answering for
    `patience` seconds."""
    traceparent = ""
    if b"traceparent" in headers:
        given = headers[b"traceparent"].decode("latin-1")
        if _TRACEPARENT.fullmatch(given):  # Trace Context demands that any other is dropped
            traceparent = given
    return Context(ANONYMOUS, now, now + patience, traceparent, route)
