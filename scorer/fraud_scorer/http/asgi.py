"""A small ASGI application: paths, methods, and a problem document for whatever goes wrong.

It knows nothing of fraud. Every answer passes through one place, where it is counted and where a
server that is going away asks its clients to connect elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from fraud_scorer.http.routing import Match, Router
from fraud_scorer.problem import (
    INTERNAL,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Problem,
)

JSON = "application/json"
COMMON_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What every answer has."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_CONTENT, _NOT_MODIFIED = 204, 304
_WITHOUT_BODY = frozenset({_NO_CONTENT, _NOT_MODIFIED})
_UNKNOWN = "unknown"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler gets. Header names are in lower case; the last of several equal ones wins.
    `parameters` are what the path has in the places of the route's template; `query` is what comes
    after it, as it was sent."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    receive: Receive
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler gives. `stream` is a body that is sent while it is made, as fast as the
    client reads; there is no other body then. `size` is that of the whole stream, where it is known
    beforehand."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Iterable[tuple[bytes, bytes]] = field(default_factory=tuple)
    stream: AsyncIterator[bytes] | None = None
    size: int | None = None


Handler = Callable[[Request], Awaitable[Response]]
Methods = Mapping[str, Handler]
Routes = Mapping[str, Methods]
"""Handlers by path (or template, `/v2/models/{name}`) and method. HEAD and OPTIONS come by
themselves."""


class Observer(Protocol):
    """Is told of requests."""

    def began(self) -> None:
        """A request's headers are here."""

    def ended(self) -> None:
        """Nothing more is to be done for it."""

    def turned_away(self) -> None:
        """It is refused because there are too many."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Its answer goes out. `route` is one of the routes, or `unknown`."""


class Unobserved:
    """An observer that does not care."""

    def began(self) -> None: ...

    def ended(self) -> None: ...

    def turned_away(self) -> None: ...

    def answered(self, route: str, status: int, seconds: float) -> None: ...


class Application:
    """Routes as an ASGI application."""

    def __init__(self, routes: Routes, observer: Observer | None = None) -> None:
        self._router = Router(routes)
        self._observer = observer or Unobserved()
        self.closing = False
        """Set when the server is going away: answers then end their connections."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.monotonic()
        self._observer.began()
        found = self._router.match(scope["path"], scope["raw_path"])
        response = Response(status=500)
        try:
            response = await self._respond(found, scope, receive)
            if response.stream is not None:
                await self._send_stream(response, response.stream, scope, send)
        finally:
            route = found.route if found else _UNKNOWN
            self._observer.answered(route, response.status, time.monotonic() - began)
            self._observer.ended()
        if response.stream is None:
            await self._send(response, send)

    async def _send(self, response: Response, send: Send) -> None:
        headers = self._headers(response)
        if response.status not in _WITHOUT_BODY:
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _send_stream(
        self,
        response: Response,
        stream: AsyncIterator[bytes],
        scope: Mapping[str, Any],
        send: Send,
    ) -> None:
        """Send parts as they come; whole where their size is needed and not known, as the client's
        HTTP knows no chunks."""
        if response.size is None and scope["http_version"] == "1.0":
            await self._send(
                replace(response, body=b"".join([part async for part in stream])), send
            )
            return
        headers = self._headers(response)
        if response.size is not None:
            headers.append((b"content-length", str(response.size).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if scope["method"] != "HEAD":
            async for part in stream:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _headers(self, response: Response) -> list[tuple[bytes, bytes]]:
        headers = [
            *COMMON_HEADERS,
            *response.headers,
        ]
        if response.status not in _WITHOUT_BODY:
            headers.append((b"content-type", response.content_type.encode()))
        if self.closing:
            headers.append((b"connection", b"close"))
        return headers

    async def _respond(
        self, found: Match[Methods] | None, scope: Mapping[str, Any], receive: Receive
    ) -> Response:
        parameters = found.parameters if found else {}
        headers = dict(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        request = Request(scope["method"], scope["path"], headers, receive, parameters, query)
        try:
            return await self._dispatch(found, request)
        except Exception as error:
            return failure(error, f"{request.method} {request.path}")

    async def _dispatch(self, found: Match[Methods] | None, request: Request) -> Response:
        if found is None:
            raise Problem(NOT_FOUND, f"Paths are {', '.join(self._router.paths)}")
        methods = found.target
        if handler := methods.get("GET" if request.method == "HEAD" else request.method):
            return await handler(request)
        allowed = ", ".join(_allowed(methods))
        allow = ((b"allow", allowed.encode()),)
        if request.method == "OPTIONS":
            return Response(status=_NO_CONTENT, headers=allow)
        raise Problem(METHOD_NOT_ALLOWED, f"{request.path} takes {allowed}", headers=allow)


def json_response(value: object, status: int = 200) -> Response:
    """The value as JSON."""
    return Response(msgspec.json.encode(value), status)


def problem_response(problem: Problem) -> Response:
    """The problem as its document."""
    return Response(problem.body(), problem.status, MEDIA_TYPE, problem.headers)


def failure(error: Exception, request: str) -> Response:
    """What the caller of a request that raised this is told."""
    if isinstance(error, Problem):
        return problem_response(error)
    _log.error("%s failed", request, exc_info=error)
    return problem_response(
        Problem(INTERNAL, "The failure was logged; the request itself may be in order")
    )


def _allowed(methods: Iterable[str]) -> list[str]:
    names = {*methods, "OPTIONS"}
    return sorted(names | {"HEAD"} if "GET" in names else names)
