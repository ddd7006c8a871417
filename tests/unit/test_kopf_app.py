"""What of kopf's watches sets out on its way to a handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from fraud_operator import kopf_app
from fraud_operator.runtime.kinds import SERVICE, Kind

LISTED = object()


async def delivered(*events: Any, plural: str = "services") -> list[Any]:
    async def watch(*, resource: Any, namespace: str) -> AsyncIterator[Any]:
        assert (resource.plural, namespace) == (plural, "fraud")
        for event in events:
            yield event

    resource = SimpleNamespace(group="", plural=plural)
    news = kopf_app.news_only(watch)(resource=resource, namespace="fraud")
    return [event async for event in news]


def event(type_: str | None, name: str) -> dict[str, Any]:
    return {"type": type_, "object": {"metadata": {"name": name}}}


async def test_only_news_goes_on() -> None:
    asked: list[tuple[Kind, str | None, str]] = []

    def known(kind: Kind, type_: str | None, obj: dict[str, Any]) -> bool:
        asked.append((kind, type_, obj["metadata"]["name"]))
        return obj["metadata"]["name"] == "echo"

    kopf_app.known_to.set(known)
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}
    events = [
        event(None, "listed"), event(None, "echo"), LISTED, event("ADDED", "new"),
        event("MODIFIED", "echo"), bookmark, event("DELETED", "new"),
    ]  # fmt: skip
    echoes = (events[1], events[4])
    assert await delivered(*events) == [one for one in events if one not in echoes]
    assert asked == [
        (SERVICE, None, "listed"),
        (SERVICE, None, "echo"),
        (SERVICE, "ADDED", "new"),
        (SERVICE, "MODIFIED", "echo"),
        (SERVICE, "DELETED", "new"),
    ]


async def test_what_is_not_ours_to_watch_goes_on() -> None:
    kopf_app.known_to.set(lambda *_: True)
    other = event("ADDED", "fraud")
    assert await delivered(other, plural="namespaces") == [other]


def test_kopf_watches_so() -> None:
    queueing: Any = import_module("kopf._core.reactor.queueing")
    assert queueing.watching.infinite_watch.__module__ == kopf_app.__name__
