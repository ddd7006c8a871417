"""The hot route: what the protocol may answer by itself, without a task and an ASGI cycle.

An answer is there at once, or pending (a store is asked first); the protocol then writes it when it
comes, and reads nothing more of that connection until it has.

The application answers the same requests in the same words; which of the two does it is the
protocol's choice. So everything unusual about a request is left to the application, and this stays
small enough to be fast: the header's bytes are made once a second, with the date.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from fraud_scorer.http.asgi import (
    COMMON_HEADERS,
    JSON,
    Application,
    Observer,
    Response,
    failure,
    problem_response,
)
from fraud_scorer.http.lag import Lag, overload
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.problem import OVERLOADED, Problem

Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]

PLAIN_MEDIA = frozenset(
    b"application/json" + parameters
    for parameters in (b"", b";charset=utf-8", b"; charset=utf-8", b"; charset=UTF-8")
)
"""Ways to say JSON that need no second look."""

_MOST_KNOWN = 1024
_LONGEST_KNOWN = 2048
_MOST_FIELDS = 32
"""What is remembered: as many heads, of as many bytes and fields at the most. The limits of a head
would be a hundred megabytes of them."""


class KnownHeads:
    """Heads that were parsed and found to be plain ones of the hot route, by their very bytes.

    A client sends the same head again and again; the same bytes mean the same, so they need not be
    parsed again. Only whole ones are known, that end where the body begins.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[int, Headers]] = {}

    def find(self, data: bytes) -> tuple[bytes, Headers] | None:
        """The body and what the head says, if `data` is a known head with its whole body and
        nothing besides."""
        end = data.find(b"\r\n\r\n") + 4
        known = self._heads.get(data[:end])
        if known is None:
            return None
        length, fields = known
        return (data[end:], fields) if len(data) == end + length else None

    def learn(self, data: bytes, length: int, fields: Headers) -> None:
        """Remember the head of a request that has just been parsed; `data` is all of it, with a
        body of `length` bytes."""
        end = len(data) - length
        if end > _LONGEST_KNOWN or len(fields) > _MOST_FIELDS:
            return
        if data.find(b"\r\n\r\n") + 4 != end:
            return
        if len(self._heads) >= _MOST_KNOWN:
            self._heads.clear()  # whose heads differ each time gain nothing
        self._heads[data[:end]] = (length, fields)


class HotRoute:
    """One path that is answered by POST."""

    def __init__(
        self,
        path: str,
        application: Application,
        *,
        admit: Callable[[Headers], Any],
        arrived: Callable[[Any], None],
        answer: Callable[[Any, bytes], bytes | Pending[bytes]],
        observer: Observer,
        lag: Lag,
        body_bytes: int,
    ) -> None:
        """`admit` sees the headers and gives a context, which `arrived` is told of where the body
        took a while; `answer` takes it and the body, and gives a JSON document, or one that is
        pending. `admit` and `answer` may raise Problem. A request that waited too long by `lag` is
        turned away."""
        self.path = path.encode()
        self.admit = admit
        self.arrived = arrived
        self.known = KnownHeads()
        self.body_bytes = body_bytes
        self.application = application
        """The one that answers everything else."""
        self._route = path
        self._answer = answer
        self._observer = observer
        self._lag = lag
        self.began, self.ended = observer.began, observer.ended
        """A request is under way that cannot be answered yet; it is no longer."""
        self._defaults: list[Header] | None = None
        self._ok = b""
        self._overloaded = b""

    def answer(
        self,
        context: Any,
        body: bytes,
        began: float,
        now: float,
        transport: asyncio.Transport,
        defaults: list[Header],
        last: bool,
    ) -> bytes | Pending[bytes]:
        """The whole answer, or a document to come that `late` makes one of. `began`: when the
        headers were complete, by the monotonic clock, which is at `now`. `transport`: where it was
        asked. `defaults`: headers of the server's own. `last`: the connection ends with it."""
        if defaults is not self._defaults:
            self._prepare(defaults)
        if self._lag.too_long(now, transport):
            self._observer.turned_away()
            self._observer.answered(self._route, 503, now - began)
            return self._overloaded if not last else _closing(self._overloaded)
        try:
            document = self._answer(context, body)
        except Exception as error:
            return self._failed(error, began, defaults, last)
        if type(document) is not bytes:
            return document
        self._observer.answered(self._route, 200, time.monotonic() - began)
        head = self._ok if not last else _closing(self._ok)
        return b"%b%d\r\n\r\n%b" % (head, len(document), document)

    def late(
        self, outcome: bytes | Exception, began: float, defaults: list[Header], last: bool
    ) -> bytes:
        """The whole answer that was pending."""
        if defaults is not self._defaults:
            self._prepare(defaults)
        if isinstance(outcome, Exception):
            return self._failed(outcome, began, defaults, last)
        self._observer.answered(self._route, 200, time.monotonic() - began)
        head = self._ok if not last else _closing(self._ok)
        return b"%b%d\r\n\r\n%b" % (head, len(outcome), outcome)

    def _failed(self, error: Exception, began: float, defaults: list[Header], last: bool) -> bytes:
        response = failure(error, f"POST {self._route}")
        if isinstance(error, Problem) and error.kind is OVERLOADED:
            self._observer.turned_away()
        self._observer.answered(self._route, response.status, time.monotonic() - began)
        return rendered(response, defaults, last)

    def unanswered(self, status: int, began: float) -> None:
        """A request whose body never came whole."""
        self._observer.answered(self._route, status, time.monotonic() - began)

    def _prepare(self, defaults: list[Header]) -> None:
        """Make what does not change from one answer to the next."""
        self._defaults = defaults
        content = [*defaults, *COMMON_HEADERS, (b"content-type", JSON.encode())]
        self._ok = STATUS_LINE[200] + _lines(content) + b"content-length: "
        self._overloaded = rendered(problem_response(overload()), defaults, False)


def rendered(response: Response, defaults: Iterable[Header], last: bool) -> bytes:
    """A response as it goes over the wire."""
    headers = [*defaults, *COMMON_HEADERS, *response.headers]
    if last and (b"connection", b"close") not in headers:
        headers.append((b"connection", b"close"))
    headers.append((b"content-type", response.content_type.encode()))
    headers.append((b"content-length", str(len(response.body)).encode()))
    return STATUS_LINE[response.status] + _lines(headers) + b"\r\n" + response.body


def _lines(headers: Iterable[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def _closing(head: bytes) -> bytes:
    """The same, with the header that ends the connection."""
    status, _, rest = head.partition(b"\r\n")
    return b"%b\r\nconnection: close\r\n%b" % (status, rest)
