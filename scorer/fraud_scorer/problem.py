"""What goes wrong with a request, as the problem document (RFC 9457) that its caller gets.

A problem says which fields are at fault by JSON Pointers, and never how the service works inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec import Struct

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""More fields at fault than this are not listed: a caller puts these right first."""

_LONGEST = 300


class FieldError(Struct, frozen=True):
    """One field at fault. `pointer` is a JSON Pointer as a URI fragment (`#/features/amount`)."""

    pointer: str
    detail: str


class ProblemDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer whose status is 400 or more."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of problem: its name in `type`, its title and its status."""

    slug: str
    title: str
    status: int


MALFORMED = Kind("malformed-json", "The body is not JSON", 400)
INVALID = Kind("invalid-request", "The transaction cannot be scored as it was sent", 422)
UNAUTHORIZED = Kind("unauthorized", "The caller does not say who it is", 401)
FORBIDDEN = Kind("forbidden", "The caller may not ask this", 403)
OUTDATED_PLAN = Kind("outdated-plan", "The pod follows another plan already", 409)
INVALID_PLAN = Kind("invalid-plan", "The plan cannot be followed", 422)
INVALID_RECORD = Kind("invalid-record", "What was sent cannot be recorded", 422)
INVALID_QUERY = Kind("invalid-query", "The question cannot be answered as it was asked", 400)
KEY_TAKEN = Kind("idempotency-key-taken", "The key stands for another request", 409)
OTHER_TRANSACTION = Kind(
    "other-transaction", "Another transaction was asked about under that id", 409
)
NOT_FOUND = Kind("not-found", "There is nothing at this path", 404)
METHOD_NOT_ALLOWED = Kind("method-not-allowed", "This path does not take this method", 405)
REQUEST_TIMEOUT = Kind("request-timeout", "The request did not arrive in time", 408)
BODY_TOO_LARGE = Kind("body-too-large", "The body is too large", 413)
TOO_MANY_ITEMS = Kind("too-many-items", "The request has too many transactions", 413)
UNSUPPORTED_MEDIA = Kind(
    "unsupported-media-type", "The body is of a media type that this path does not take", 415
)
HEAD_TOO_LARGE = Kind("header-too-large", "The request's header is too large", 431)
BAD_HTTP = Kind("bad-http", "This is not an HTTP/1.1 request as it must be", 400)
INTERNAL = Kind("internal-error", "The service failed", 500)
OVERLOADED = Kind("overloaded", "The service has more requests than it can answer in time", 503)
RECORDS_AWAY = Kind("records-unavailable", "The records cannot be reached", 503)
ARCHIVE_AWAY = Kind("archive-unavailable", "The archive cannot be read", 503)
NOT_RECORDED = Kind("not-recorded", "The answer cannot be recorded, so none is given", 503)
NOT_READY = Kind("not-ready", "No model is ready", 503)

RETRY_AFTER = ((b"retry-after", b"1"),)
"""Sent along where the same request may well be answered a second later."""


class Problem(Exception):
    """Raised anywhere on a request's way; `headers` are sent along."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        errors: Iterable[FieldError] = (),
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = kind.status
        self.headers = tuple(headers)
        self.document = ProblemDocument(
            type=f"urn:fraudops:problem:{kind.slug}",
            title=kind.title,
            status=kind.status,
            detail=_printable(detail),
            errors=tuple(errors)[:MAX_ERRORS],
        )

    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document)


def field_error(path: Iterable[str], detail: str) -> FieldError:
    """The error at a path of object keys; the keys may be anything that a caller sent."""
    tokens = (key.replace("~", "~0").replace("/", "~1") for key in path)
    return FieldError("#" + "".join(f"/{_printable(token)}" for token in tokens), detail)


def _printable(text: str) -> str:
    """Text that can be encoded and is not endless, whatever a caller put into it."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return short.encode("utf-8", "replace").decode()
