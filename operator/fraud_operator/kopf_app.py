"""kopf as a source of events, and nothing more: the only module that imports it.

kopf watches; it handles nothing. There are no create, update, delete or timer handlers, no
finalizers, no peering, no progress annotations and no Events of its own, so it never writes.

It runs in the operator's own event loop (a thread of its own costs more in waiting for the GIL than
it saves), but not by `kopf.operator`, which on its way out cancels every task that was begun after
it. When it fails, it is started again: what was missed meanwhile is in its next initial list, or in
ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from fraud_operator.observe.relist import selector_of
from fraud_operator.runtime import metrics
from fraud_operator.runtime.connection import Connection
from fraud_operator.runtime.kinds import WATCHED, Kind


@contextmanager
def _without(package: str) -> Iterator[None]:
    """kopf imports the typed Kubernetes client where it is installed, to recognise its metadata
    class. We pass it no such object, and it would cost 17 MB and a second."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _without("kubernetes"):
    import kopf


def _decode_faster() -> None:
    """kopf decodes what a watch delivers by the standard library, which is a tenth of the CPU that
    the operator needs while detectors come up; ours is decoded five times as fast."""
    client: Any = import_module("kopf._cogs.clients.api")
    if getattr(client, "json", None) is json:
        client.json = SimpleNamespace(loads=msgspec.json.decode)


Seen = Callable[[Kind, str | None, dict[str, Any]], None]
"""A kind, the watch event's type (None: it is in a list), and the object."""
Known = Callable[[Kind, str | None, dict[str, Any]], bool]
"""The same, of what is asked whether it is no news."""

_KINDS = {(kind.group, kind.plural): kind for kind in WATCHED}
known_to: ContextVar[Known] = ContextVar("known_to")
"""Of the source that kopf watches for."""


def news_only(watch: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    """kopf's `watch`, without the events that are known.

    The way from there to a handler (a queue and a task for each object, views, loggers and causes)
    costs many times what our handler does. Most events are the echo of our own writes, or change
    what nobody reads: these end before they set out on it.
    """

    async def news(*, resource: Any, **given: Any) -> AsyncIterator[Any]:
        kind, is_known = _KINDS.get((resource.group, resource.plural)), known_to.get()
        async for event in watch(resource=resource, **given):
            # What is no object: that a list is complete, and how far a watch has come.
            if kind is not None and isinstance(event, dict) and event["type"] != "BOOKMARK":
                metrics.WATCH_EVENTS.labels(kind.kind).inc()
                if is_known(kind, event["type"], event["object"]):
                    continue
            yield event

    return news


def _deliver_news_only() -> None:
    watching: Any = import_module("kopf._cogs.clients.watching")
    watching.infinite_watch = news_only(watching.infinite_watch)


_decode_faster()
_deliver_news_only()

log = logging.getLogger(__name__)

USER_AGENT = "fraud-operator-watch"
"""In the API server's audit log: so that it can be shown that kopf writes nothing."""
_CHUNK = 250
_LONGEST_PAUSE = 10.0
"""Between attempts on an API server that is away: all watches are less than one a second."""
_PATIENCE_SECONDS = 5.0


class EventSource:
    """Watches all `WATCHED` kinds in `namespaces` (none: everywhere).

    `known` is asked of every event, and `seen` is told those of which it said no. `started` is
    called whenever kopf has taken the signals of the process, to take them back.
    """

    def __init__(
        self,
        connection: Connection,
        namespaces: Sequence[str],
        seen: Seen,
        *,
        known: Known = lambda *_: False,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._namespaces = tuple(namespaces)
        self._seen = seen
        self._known = known
        self._started = started

    async def run(self) -> None:
        """Watch until cancelled."""
        rng = Random()  # noqa: S311 - spreads restarts, keeps no secret
        pause = 1.0
        while True:
            began = time.monotonic()
            try:
                await self._watch()
            except Exception:
                log.exception("watching failed")
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = 1.0
            await asyncio.sleep(pause * (0.75 + 0.5 * rng.random()))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _watch(self) -> None:
        """Until something of kopf ends, which it never should; raises what ended it."""
        known_to.set(self._known)
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        for kind in WATCHED:
            watched = kopf.on.event(
                kind.group, kind.version, kind.plural, registry=registry, id=kind.kind
            )
            watched(self._handler(kind))
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=_settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            # Or kopf asks for the user's name, and a numeric user in a container has none.
            identity=cast(Any, USER_AGENT),
        )
        self._started()
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_PATIENCE_SECONDS)
        for task in ended:
            await task

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """kopf closes the session when it is refused, or when it ends."""
        return kopf.AiohttpSession(
            server=self._connection.server, aiohttp_session=self._connection.session(USER_AGENT)
        )

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def event(event: dict[str, Any], **_: Any) -> None:
            self._seen(kind, event["type"], dict(event["object"]))

        return event


class _Forever:
    """Pauses between the attempts of one request: a watch never gives up on an API server."""

    def __iter__(self) -> Iterator[float]:
        rng = Random()  # noqa: S311 - spreads retries, keeps no secret
        pause = 0.5
        while True:
            yield pause * (0.75 + 0.5 * rng.random())
            pause = min(pause * 2, _LONGEST_PAUSE)


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf copies every object to compare it with its last state. We keep no states."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """There are no handlers that could be in progress."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # No lists and watches of namespaces and CRDs, and so no rights to them.
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.error_backoffs = _Forever()
    settings.networking.request_timeout = 60.0
    settings.networking.connect_timeout = 10.0
    settings.watching.chunk_size = _CHUNK
    for kind in WATCHED:
        if selector_of(kind):
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector_of(
                kind
            )
    # A task for each object that was seen lately, with the object: let go of it quickly.
    settings.queueing.idle_timeout = 0.1
    # Otherwise kopf kills the process ten minutes after it was asked to stop.
    settings.process.ultimate_exiting_timeout = None
    return settings
