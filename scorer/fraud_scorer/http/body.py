"""A request's body, within limits of size and time, both enforced while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from fraud_scorer.http.asgi import JSON, Request
from fraud_scorer.problem import BODY_TOO_LARGE, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA, Problem

_CLOSE = ((b"connection", b"close"),)
_POLITENESS = 1 << 20
"""How much of a body that is too large is still read: a client that is cut off while it writes
may never see why."""


class DisconnectedError(Exception):
    """The client is gone; nobody waits for an answer."""


async def read_body(
    request: Request, *, limit: int, seconds: float, media: Collection[str] = (JSON,)
) -> bytes:
    """The body of a request that says it is of one of these media types; an empty one among them
    stands for a request that does not say.

    Raises Problem: 415 for another media type or encoding, 413 above `limit` bytes, 408 when it
    has not arrived whole in `seconds`.
    """
    refused = _refusal(request, limit, media)
    if refused and b"expect" in request.headers:
        raise refused  # the client asked first, and has sent nothing
    try:
        async with asyncio.timeout(seconds):
            body = await _read(request, limit)
    except TimeoutError:
        raise Problem(
            REQUEST_TIMEOUT, f"The body was not complete after {seconds:g} s", headers=_CLOSE
        ) from None
    if refused:
        raise refused
    return body


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


def media_type(request: Request) -> str:
    """What the request says that its body is, without parameters; empty where it does not say."""
    media = request.headers.get(b"content-type", b"").decode("latin-1")
    return media.partition(";")[0].strip().lower()


def _refusal(request: Request, limit: int, media: Collection[str]) -> Problem | None:
    """Why the body is not wanted, as far as the headers tell. It is read all the same: a connection
    that is closed while its client writes is reset, and the answer may be lost."""
    declared = request.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        return _too_large(limit)
    parameters = request.headers.get(b"content-type", b"").decode("latin-1").partition(";")[2]
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if media_type(request) not in media or charset not in ("", "charset=utf-8"):
        named = " or ".join(filter(None, media))
        return Problem(UNSUPPORTED_MEDIA, f"Send the body as {named}, in UTF-8", headers=_CLOSE)
    if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Problem(UNSUPPORTED_MEDIA, "Send the body without compression", headers=_CLOSE)
    return None


def _too_large(limit: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"A body has at most {limit} bytes", headers=_CLOSE)
