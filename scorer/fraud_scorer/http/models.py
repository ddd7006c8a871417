"""The management port's routes about models: a plan to follow, what the pod holds, and its files.

All ask for the token. A plan that is put is followed at once as far as it can be: when the answer
comes, nothing that it withdraws answers any more. What has to be loaded is loaded behind that, and
shows in the report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.plan import PlanError
from fraud_scorer.artifact.report import BLOBS_PATH, FOLLOWED_PATH, PATH
from fraud_scorer.following.follower import Foreign, Outdated
from fraud_scorer.following.pod import Pod
from fraud_scorer.following.token import Token
from fraud_scorer.http.asgi import JSON, Handler, Request, Response, Routes, json_response
from fraud_scorer.http.body import read_body
from fraud_scorer.problem import INVALID_PLAN, NOT_FOUND, OUTDATED_PLAN, Problem

LARGEST_PLAN = 256 * 1024
_BODY_SECONDS = 5.0
_FOLLOWED_SECONDS = 0.8
"""How long an answer waits for processes to follow; whoever pushed gives up after a second."""

_CHUNK = 1 << 20


def model_routes(pod: Pod, token: Token, ready: Callable[[], bool]) -> Routes:
    """The handlers by path."""

    async def put(request: Request) -> Response:
        body = await read_body(request, media=(JSON, ""), limit=LARGEST_PLAN, seconds=_BODY_SECONDS)
        try:
            pod.take(plans.decode(body))
        except Outdated as error:
            raise Problem(OUTDATED_PLAN, str(error)) from None
        except (PlanError, Foreign) as error:
            raise Problem(INVALID_PLAN, str(error)) from None
        await pod.follower.followed(_FOLLOWED_SECONDS)
        return json_response(pod.report(ready=ready()))

    async def get(_: Request) -> Response:
        return json_response(pod.report(ready=ready()))

    async def followed(_: Request) -> Response:
        if pod.follower.plan is None:
            raise Problem(NOT_FOUND, "This pod follows no plan yet")
        return Response(plans.encode(pod.follower.plan).encode())

    async def blob(request: Request) -> Response:
        sha256 = request.parameters["sha256"]
        if not pod.follower.file(sha256):
            raise Problem(NOT_FOUND, "This pod holds no file with that digest")
        return Response(
            content_type="application/octet-stream", stream=_bytes(pod.blobs.path(sha256))
        )

    def guarded(handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            token.check(request.headers)
            return await handler(request)

        return answer

    return {
        PATH: {"PUT": guarded(put), "GET": guarded(get)},
        FOLLOWED_PATH: {"GET": guarded(followed)},
        f"{BLOBS_PATH}{{sha256}}": {"GET": guarded(blob)},
    }


async def _bytes(path: Path) -> AsyncIterator[bytes]:
    """A file, as fast as it is taken."""
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
