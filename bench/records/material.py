"""Answers to be recorded, by number: twenty features, random ids, fifty thousand customers.

Ids are random as those of callers are, so that every index has its new entries all over the place;
but each is worked out from its number, so that look-ups know what there is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fraud_scorer.ledger.entries import Answered, Personal, Prediction, Reason
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.ledger.writer import Recording, Writer

FEATURES = 20
CUSTOMERS, TERMINALS = 50_000, 10_000
SPOOL_BYTES = 8 << 30
_DIGEST = "sha256:" + "9f" * 32
_WHY = tuple(Reason(f"R{number:02}", "amount", "raises", 0.31) for number in range(4))
_ODD, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


class Ids(NamedTuple):
    """What is different from answer to answer."""

    transaction: str
    prediction: str
    customer: str
    terminal: str
    score: float


def ids(number: int) -> Ids:
    """Of the answer with that number: they look random, and are always the same."""
    bits = number * _ODD & _MASK
    bits = (bits ^ bits >> 29) * _ODD & _MASK
    return Ids(
        f"tx-{bits:016x}",
        f"32035d47-421b-8470-{bits >> 48:04x}-{number:012x}",
        f"c-{(bits >> 20) % CUSTOMERS}",
        f"t-{(bits >> 40) % TERMINALS}",
        (bits >> 11) / (1 << 53),
    )


def answer(
    number: int, *, explained: bool, at: datetime | None = None
) -> tuple[Answered, Personal]:
    """An answer with twenty features; a declined one has four reasons."""
    its = ids(number)
    prediction = Prediction(
        "active", its.score, "decline" if explained else "approve", "card-payments", "v1",
        _DIGEST, _WHY if explained else (),
    )  # fmt: skip
    now = at or datetime.now(UTC)
    entry = Answered(now, its.prediction, its.transaction, (prediction,), "checkout")
    personal = Personal(
        now, {"customer": its.customer, "terminal": its.terminal}, 1999, "EUR",
        {f"feature_{place}": place * 1.37 for place in range(FEATURES)},
    )  # fmt: skip
    return entry, personal


def writer(spool: Spool) -> Writer:
    """A process' chain."""
    return Writer(spool, Recording(), detector="bench", pod="bench-1", software="bench")
