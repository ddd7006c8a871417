"""A small ASGI application: exact paths, methods, and a problem document for whatever goes wrong.

It knows nothing of fraud. Every answer passes through one place, where it is counted and where a
server that is going away asks its clients to connect elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fraud_scorer.problem import (
    INTERNAL,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Problem,
)

JSON = "application/json"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_CONTENT = 204
_UNKNOWN = "unknown"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler gets. Header names are in lower case; the last of several equal ones wins."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    receive: Receive


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler gives."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Iterable[tuple[bytes, bytes]] = field(default_factory=tuple)


Handler = Callable[[Request], Awaitable[Response]]
Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by path and method. HEAD and OPTIONS come by themselves."""


class Observer:
    """Is told of requests; does nothing by itself."""

    def began(self) -> None:
        """A request's headers are here."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Its answer goes out. `route` is one of the routes, or `unknown`."""


class Application:
    """Routes as an ASGI application."""

    def __init__(self, routes: Routes, observer: Observer | None = None) -> None:
        self._routes = routes
        self._observer = observer or Observer()
        self.closing = False
        """Set when the server is going away: answers then end their connections."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.monotonic()
        self._observer.began()
        response = Response(status=500)
        try:
            response = await self._respond(scope, receive)
        finally:
            route = scope["path"] if scope["path"] in self._routes else _UNKNOWN
            self._observer.answered(route, response.status, time.monotonic() - began)
        headers = [
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *response.headers,
        ]
        if response.status != _NO_CONTENT:
            headers.append((b"content-type", response.content_type.encode()))
            headers.append((b"content-length", str(len(response.body)).encode()))
        if self.closing:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Mapping[str, Any], receive: Receive) -> Response:
        request = Request(scope["method"], scope["path"], dict(scope["headers"]), receive)
        try:
            return await self._dispatch(request)
        except Problem as problem:
            return problem_response(problem)
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return problem_response(
                Problem(INTERNAL, "The failure was logged; the request itself may be in order")
            )

    async def _dispatch(self, request: Request) -> Response:
        methods = self._routes.get(request.path)
        if methods is None:
            raise Problem(NOT_FOUND, f"Paths are {', '.join(self._routes)}")
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


def _allowed(methods: Iterable[str]) -> list[str]:
    names = {*methods, "OPTIONS"}
    return sorted(names | {"HEAD"} if "GET" in names else names)
