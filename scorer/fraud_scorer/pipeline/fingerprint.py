"""What a transaction asks, in sixteen bytes: the same however its JSON was written.

Two requests under one id are the same where these are; spaces, the order of keys and how a number
is written make no difference.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from fraud_scorer.pipeline.envelope import ScoreRequest

_ANY_TIME = datetime.min.replace(tzinfo=UTC)
_encode = msgspec.json.Encoder(order="deterministic").encode


def fingerprint(request: ScoreRequest, *, undated: bool = False) -> bytes:
    """Of one request; `undated` is one that did not say when it happened."""
    if undated:
        request = msgspec.structs.replace(request, event_time=_ANY_TIME)
    return blake2b(_encode(request), digest_size=16).digest()
