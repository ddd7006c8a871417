"""A request's body, within limits of size and time, both enforced while it arrives."""

from __future__ import annotations

import asyncio

from fraud_scorer.http.asgi import Request
from fraud_scorer.problem import BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA, Problem

_CLOSE = ((b"connection", b"close"),)
_POLITENESS = 1 << 20
"""How much of a body that is too large is still read: a client that is cut off while it writes
may never see why."""


class DisconnectedError(Exception):
    """The client is gone; nobody waits for an answer."""


async def read_json_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """The body of a request that says it is JSON.

    Raises Problem: 415 for another media type or encoding, 413 above `limit` bytes, 408 when it
    has not arrived whole in `seconds`.
    """
    _check_media(request)
    declared = request.headers.get(b"content-length", b"")
    too_large = declared.isdigit() and int(declared) > limit
    if too_large and b"expect" in request.headers:
        raise _too_large(limit)  # the client asked first, and has sent nothing
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit)
    except TimeoutError:
        raise Problem(
            BODY_TIMEOUT, f"The body was not complete after {seconds:g} s", headers=_CLOSE
        ) from None


async def _read(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    received = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received <= limit:
            chunks.append(chunk)
        elif received > limit + _POLITENESS:
            break
        more = message.get("more_body", False)
    if received > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def _check_media(request: Request) -> None:
    media = request.headers.get(b"content-type", b"").decode("latin-1")
    kind, _, parameters = media.partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Problem(
            UNSUPPORTED_MEDIA, "Send the transaction as application/json, in UTF-8", headers=_CLOSE
        )
    if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(UNSUPPORTED_MEDIA, "Send the body without compression", headers=_CLOSE)


def _too_large(limit: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"A body has at most {limit} bytes", headers=_CLOSE)
