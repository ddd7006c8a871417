"""The client against a server that answers slowly, rarely, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fraud_operator.runtime.kinds import CONFIG_MAP, FRAUD_DETECTOR, SERVICE_ACCOUNT
from fraud_operator.runtime.kube import (
    ApiError,
    Conflict,
    HttpKube,
    NotFound,
    RetryPolicy,
    WritesForbidden,
)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = RetryPolicy(deadline=20.0, attempt=10.0, first_pause=0.001, longest_pause=0.01)


class Server:
    """Answers with what the test put into `answers`, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, str, dict[str, str], Any, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.requests.append(
            (
                request.method,
                request.path,
                dict(request.query),
                json.loads(text) if text else None,
                request.headers.get("Content-Type", ""),
            )
        )
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return await answer(request)


def gives(obj: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(obj, status=status, headers=headers)

    return answer


def refuses(status: int, reason: str = "", **headers: str) -> Answer:
    return gives({"kind": "Status", "reason": reason, "message": f"{reason}!"}, status, **headers)


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def kube(server: Server) -> AsyncIterator[HttpKube]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running, aiohttp.ClientSession() as session:
        yield HttpKube(session, str(running.make_url("")).rstrip("/"), retry=QUICK)


MANIFEST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "plan", "namespace": "fraud"},
    "data": {"a": "b"},
}


async def test_an_apply_is_a_patch_by_our_manager(kube: HttpKube, server: Server) -> None:
    server.answers = [gives({"ok": 1})]
    assert await kube.apply(MANIFEST, force=True) == {"ok": 1}
    (method, path, query, body, content_type) = server.requests[0]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/fraud/configmaps/plan")
    assert query == {"fieldManager": "fraud-operator", "force": "true"}
    assert body == MANIFEST
    assert content_type == "application/apply-patch+yaml"


async def test_a_status_is_written_onto_one_state_only(kube: HttpKube, server: Server) -> None:
    server.answers = [gives({})]
    await kube.patch_status(FRAUD_DETECTOR, "fraud", "cards", {"a": 1}, "17")
    (_, path, _, body, content_type) = server.requests[0]
    assert path == "/apis/fraudops.io/v1beta1/namespaces/fraud/frauddetectors/cards/status"
    assert body == {"metadata": {"resourceVersion": "17"}, "status": {"a": 1}}
    assert content_type == "application/merge-patch+json"


async def test_a_delete_carries_the_uid(kube: HttpKube, server: Server) -> None:
    server.answers = [gives({})]
    await kube.delete(CONFIG_MAP, "fraud", "plan", uid="u-1")
    assert server.requests[0][3]["preconditions"] == {"uid": "u-1"}
    server.answers = [refuses(404, "NotFound")]
    await kube.delete(CONFIG_MAP, "fraud", "plan", uid="u-1")


async def test_a_token_is_a_subresource(kube: HttpKube, server: Server) -> None:
    server.answers = [gives({"status": {"token": "t"}})]
    await kube.create(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        subresource_of=(SERVICE_ACCOUNT, "fraud", "cards-scorer"),
    )
    path = "/api/v1/namespaces/fraud/serviceaccounts/cards-scorer/token"
    assert server.requests[0][:2] == ("POST", path)


async def test_lists_come_in_pages_and_name_their_kind(kube: HttpKube, server: Server) -> None:
    server.answers = [
        gives({"metadata": {"resourceVersion": "5", "continue": "more"}, "items": [{"x": 1}]}),
        gives({"metadata": {"resourceVersion": "5"}, "items": [{"x": 2}]}),
    ]
    items, version = await kube.list(CONFIG_MAP, None, label_selector="a=b")
    assert [item["x"] for item in items] == [1, 2]
    assert items[0]["kind"] == "ConfigMap"
    assert version == "5"
    assert server.requests[0][1:3] == (
        "/api/v1/configmaps",
        {"limit": "250", "labelSelector": "a=b"},
    )
    assert server.requests[1][2]["continue"] == "more"


async def test_nothing_there_is_none_and_not_an_error(kube: HttpKube, server: Server) -> None:
    server.answers = [refuses(404, "NotFound")]
    assert await kube.get(CONFIG_MAP, "fraud", "plan") is None
    with pytest.raises(NotFound):
        await kube.list(CONFIG_MAP, None)


@pytest.mark.parametrize(
    "trouble",
    [refuses(429), refuses(500), refuses(503), refuses(504), hangs_up],
    ids=["429", "500", "503", "504", "hang-up"],
)
async def test_passing_trouble_is_tried_again(
    kube: HttpKube, server: Server, trouble: Answer
) -> None:
    server.answers = [trouble, trouble, gives({"ok": 1})]
    assert await kube.apply(MANIFEST, force=False) == {"ok": 1}
    assert len(server.requests) == 3


async def test_an_answer_that_does_not_come_is_not_waited_for(
    kube: HttpKube, server: Server
) -> None:
    server.answers = [hangs]
    hasty = HttpKube(kube._session, kube._server, retry=RetryPolicy(deadline=0, attempt=0.2))
    with pytest.raises(ApiError, match=r"no answer within 0\.2 s") as caught:
        await hasty.get(CONFIG_MAP, "fraud", "plan")
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", Conflict),
        (403, "Forbidden", ApiError),
        (422, "Invalid", ApiError),
        (400, "BadRequest", ApiError),
    ],
)
async def test_a_refusal_is_told_at_once(
    kube: HttpKube, server: Server, status: int, reason: str, kind: type[ApiError]
) -> None:
    server.answers = [refuses(status, reason)]
    with pytest.raises(kind) as caught:
        await kube.apply(MANIFEST, force=True)
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert f"{reason}!" in str(caught.value)
    assert "configmaps/plan" in str(caught.value)
    assert len(server.requests) == 1


async def test_a_lost_race_that_calls_itself_invalid_is_a_conflict(
    kube: HttpKube, server: Server
) -> None:
    message = (
        "x is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    )
    server.answers = [gives({"kind": "Status", "reason": "Invalid", "message": message}, 422)]
    with pytest.raises(Conflict):
        await kube.apply(MANIFEST, force=True)


async def test_retry_after_is_obeyed(kube: HttpKube, server: Server) -> None:
    server.answers = [refuses(429, "TooManyRequests", **{"Retry-After": "1"}), gives({})]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await kube.apply(MANIFEST, force=True)
    assert loop.time() - began >= 1


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(
    kube: HttpKube, server: Server
) -> None:
    server.answers = [refuses(429, "TooManyRequests", **{"Retry-After": "3600"})]
    with pytest.raises(ApiError) as caught:
        await asyncio.wait_for(kube.apply(MANIFEST, force=True), 10)
    assert caught.value.status == 429


async def test_a_server_that_is_away_is_an_error_in_the_end(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        retry = RetryPolicy(deadline=0.05, attempt=0.5, first_pause=0.01)
        kube = HttpKube(session, "http://127.0.0.1:1", retry=retry)
        with pytest.raises(ApiError) as caught:
            await kube.get(CONFIG_MAP, "fraud", "plan")
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")
    assert caught.value.transient


async def test_what_is_not_json_is_still_an_error(kube: HttpKube, server: Server) -> None:
    async def proxy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=418, text="<html>I am a proxy</html>")

    server.answers = [proxy]
    with pytest.raises(ApiError) as caught:
        await kube.get(CONFIG_MAP, "fraud", "plan")
    assert "I am a proxy" in str(caught.value)


async def test_a_guard_stops_writes_before_they_are_sent(kube: HttpKube, server: Server) -> None:
    def no() -> None:
        raise WritesForbidden("not the leader")

    guarded = kube.guarded(no)
    server.answers = [gives({})]
    assert await guarded.get(CONFIG_MAP, "fraud", "plan") == {}
    for write in (
        guarded.apply(MANIFEST, force=True),
        guarded.patch_status(FRAUD_DETECTOR, "fraud", "cards", {}, "1"),
        guarded.create(MANIFEST),
        guarded.update(MANIFEST, deadline=1),
        guarded.delete(CONFIG_MAP, "fraud", "plan", uid="u"),
    ):
        with pytest.raises(WritesForbidden):
            await write
    assert len(server.requests) == 1


async def test_a_guard_stops_the_next_attempt_of_a_write(kube: HttpKube, server: Server) -> None:
    allowed = [True, True]

    def guard() -> None:
        if not allowed:
            raise WritesForbidden("lost it in between")
        allowed.pop()

    server.answers = [refuses(503)]
    with pytest.raises(WritesForbidden):
        await kube.guarded(guard).apply(MANIFEST, force=True)
    assert len(server.requests) == 2


async def test_an_update_is_not_repeated(kube: HttpKube, server: Server) -> None:
    server.answers = [refuses(503)]
    with pytest.raises(ApiError):
        await kube.update(MANIFEST, deadline=1)
    assert len(server.requests) == 1
