"""What schemathesis cannot know by itself: loaded by it, not by pytest."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

NDJSON = "application/x-ndjson"
LEAP_YEAR = "2024"
"""A past year that has every day."""


@schemathesis.serializer(NDJSON)
def to_lines(ctx: Any, value: Any) -> bytes:
    """A line each; what is no list is sent as it is, for the service to say what is wrong."""
    values = value if isinstance(value, list) else [value]
    return "".join(json.dumps(each) + "\n" for each in values).encode()


@schemathesis.deserializer(NDJSON)
def from_lines(ctx: Any, response: Any) -> list[Any]:
    """All lines together, which is what the schema describes."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def map_body(ctx: Any, body: Any) -> Any:
    """1999.0 is an integer to JSON Schema; the service takes 1999 only, and says so. Nor does a
    schema know of the future, of which the service takes minutes only."""
    if not isinstance(body, dict):
        return body
    amount, time = body.get("amount_minor"), body.get("event_time")
    if isinstance(amount, float) and amount.is_integer():
        body = body | {"amount_minor": int(amount)}
    if isinstance(time, str) and time[:4].isdigit() and time[:4] > LEAP_YEAR:
        body = body | {"event_time": LEAP_YEAR + time[4:]}
    return body
