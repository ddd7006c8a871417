"""What is refused of a request's header although the parser lets it through.

llhttp itself refuses duplicate Content-Length, Transfer-Encoding beside Content-Length, bare LF,
folded lines, control characters. What is left are things that two servers on a request's way could
read in two ways, or that nobody here would do: they end the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fraud_scorer.problem import BAD_HTTP, HEAD_TOO_LARGE, Problem

_SINGLE = (b"host", b"content-type", b"content-encoding", b"transfer-encoding")
_VERSIONS = ("1.1", "1.0")


def check_fields(headers: Sequence[tuple[bytes, bytes]], version: str) -> None:
    """Raise Problem for fields that are missing or come too often. Cheap, but not free: needed only
    where a name comes twice, or there is no Host."""
    names = [name for name, _ in headers]
    if version == "1.1" and b"host" not in names:
        raise Problem(BAD_HTTP, "An HTTP/1.1 request names its Host")
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Problem(BAD_HTTP, f"{name.decode().title()} comes more than once")


def check_unusual(
    fields: Mapping[bytes, bytes], target: bytes, version: str, upgrade: bool
) -> None:
    """Raise Problem for what a request that is not of the usual kind must not be."""
    if version not in _VERSIONS:
        raise Problem(BAD_HTTP, f"This server speaks HTTP/1.1, and not HTTP/{version}")
    if upgrade:
        raise Problem(
            BAD_HTTP,
            "This server speaks HTTP/1.1 and does not change to anything else: send no Upgrade"
            " (a client that tries HTTP/2 has a setting for that), and no CONNECT",
        )
    if fields.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise Problem(BAD_HTTP, "Send the body as it is, or chunked, and in no other coding")
    if not target.startswith((b"/", b"http://", b"https://")):
        raise Problem(BAD_HTTP, "The request's target is not a path")


def check_size(headers: Sequence[tuple[bytes, bytes]], target: bytes, limit: int) -> None:
    """Raise Problem for a header of more than `limit` bytes."""
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Problem:
    """The problem of such a header."""
    return Problem(HEAD_TOO_LARGE, f"Request line and header fields have at most {limit} bytes")
