"""Requests that are to have their effect once, by the key that their caller chose."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.rows import column
from fraud_scorer.problem import KEY_TAKEN, Problem

KEPT = timedelta(days=7)


class Claim(NamedTuple):
    """`new`: go on, and `settle` with the answer. `same`: it was asked before, with that answer
    (None where whoever asked has none yet). `other`: the key stands for another request."""

    state: Literal["new", "same", "other"]
    answer: str | None = None


def claim(connection: Connection, scope: str, key: str, request_sha256: bytes) -> Claim:
    """Claim a key. In the transaction of the effect, so that both are there or neither is: who
    claims the same key meanwhile waits for its end."""
    row = connection.execute(
        "INSERT INTO idempotency_keys (scope, key, request_sha256) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING 1",
        [scope, column(key), request_sha256],
    ).fetchone()
    if row is not None:
        return Claim("new")
    row = connection.execute(
        "SELECT request_sha256, answer FROM idempotency_keys WHERE scope = %s AND key = %s",
        [scope, column(key)],
    ).fetchone()
    if row is None or row[0] != request_sha256:
        return Claim("other")
    return Claim("same", row[1])


def taken() -> Problem:
    """Why a request is refused whose key stands for another one."""
    return Problem(
        KEY_TAKEN,
        "This Idempotency-Key came with another body before: take a new key for a new request",
    )


def settle(connection: Connection, scope: str, key: str, answer: str) -> None:
    """Keep the answer for whoever asks again."""
    connection.execute(
        "UPDATE idempotency_keys SET answer = %s WHERE scope = %s AND key = %s",
        [column(answer), scope, column(key)],
    )


def forget_old(connection: Connection) -> int:
    """Remove keys that nobody repeats any more; how many."""
    return connection.execute(
        "DELETE FROM idempotency_keys WHERE claimed_at < now() - %s", [KEPT]
    ).rowcount
