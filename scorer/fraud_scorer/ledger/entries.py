"""What a chain is made of: its entries, and the personal data that they commit to.

An entry is recorded as JSON, in this order of fields: what was hashed is these very bytes, and a
person can read them in seven years. Personal data is not in it but beside it, and the entry holds
a commitment: a digest over a random salt and the data. Without these the digest says nothing about
a person, and the chain is whole all the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

FORMAT = 1
SALT_BYTES = 16

Role = Literal["active", "candidate", "shadow"]

_POOLED_SALTS = 1024
_encode = msgspec.json.Encoder().encode


class Reason(Struct, frozen=True, gc=False):
    """One feature's part in a score."""

    code: str
    feature: str
    direction: str
    contribution: float


class Prediction(Struct, frozen=True, omit_defaults=True, gc=False):
    """What one model said; without a score where no model could be had. `rule` is what made the
    decision where it was not the thresholds."""

    role: Role
    score: float | None
    decision: Literal["approve", "review", "decline"]
    model: str = ""
    version: str = ""
    digest: str = ""
    reasons: tuple[Reason, ...] = ()
    rule: str = ""


class Began(Struct, frozen=True, tag="began", tag_field="kind"):
    """The first entry of a chain."""

    at: datetime
    chain: str
    detector: str
    pod: str
    software: str
    format: int = FORMAT


class Answered(Struct, omit_defaults=True, gc=False, tag="answered", tag_field="kind"):
    """A transaction was answered. `route` is the way that it came in; whoever appends the entry
    fills in `personal`, the commitment.

    Where what would be declined is approved at random, `propensity` is the share of it that is, and
    `would` the decision without that. `duplicate`: it was answered without knowing whether it was
    before.
    """

    at: datetime
    prediction_id: str
    transaction_id: str
    predictions: tuple[Prediction, ...]
    principal: str
    personal: str = ""
    route: str = "score"
    traceparent: str = ""
    degraded: tuple[str, ...] = ()
    propensity: float = 0.0
    would: str = ""
    duplicate: bool = False


class Shadowed(Struct, frozen=True, tag="shadowed", tag_field="kind"):
    """What a model that answers nobody said about a transaction that was answered."""

    at: datetime
    prediction_id: str
    transaction_id: str
    predictions: tuple[Prediction, ...]


class Acted(Struct, frozen=True, omit_defaults=True, tag="acted", tag_field="kind"):
    """Something that somebody did: an import, an erasure, another model."""

    at: datetime
    action: str
    principal: str
    about: str = ""
    detail: dict[str, str | int | float] = {}


class Missed(Struct, frozen=True, tag="missed", tag_field="kind"):
    """Answers that were given although they could not be recorded (the spool was full)."""

    at: datetime
    since: datetime
    count: int


class Ended(Struct, frozen=True, tag="ended", tag_field="kind"):
    """The last entry of a chain whose process ended in order."""

    at: datetime


Entry = Began | Answered | Shadowed | Acted | Missed | Ended


class Personal(Struct, frozen=True, gc=False):
    """What is about a person."""

    event_time: datetime
    entities: dict[str, str]
    amount_minor: int
    currency: str
    features: dict[str, Any]


def salts() -> Iterator[bytes]:
    """Salts that nobody had before. Random bytes are taken from the system many at a time, as each
    call costs half a microsecond."""
    while True:
        pool = os.urandom(SALT_BYTES * _POOLED_SALTS)
        for at in range(0, len(pool), SALT_BYTES):
            yield pool[at : at + SALT_BYTES]


def salted(personal: Personal, salt: bytes) -> bytes:
    """What goes beside the entry: the salt, and the data as JSON."""
    return salt + _encode(personal)


def commitment(beside: bytes) -> str:
    """What the entry holds of it."""
    return hashlib.sha256(beside).hexdigest()


encode: Callable[[Entry], bytes] = _encode
"""The bytes that are hashed. (A function of its own would cost every answer another call.)"""

_decode = msgspec.json.Decoder(Entry).decode
_decode_personal = msgspec.json.Decoder(Personal).decode


def decode(body: bytes | str) -> Entry:
    """Raises msgspec.DecodeError. Fields of later formats are passed over."""
    entry: Entry = _decode(body)
    return entry


def decode_personal(data: bytes | str) -> Personal:
    """The data without its salt. Raises msgspec.DecodeError."""
    return _decode_personal(data)
