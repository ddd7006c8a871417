"""The server of a volume that models are published on: its files over HTTP, for whoever has the
token. What its routes take and give is described in artifact/volume.py, which asks them.

Nothing outside of the volume is reached, by no path and by no link. Files are read and written in
threads, piece by piece, so that neither a large one nor a slow volume holds up anybody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import islice
from typing import TypeVar

import msgspec

from fraud_scorer.artifact.directory import DirectoryStore, Opened
from fraud_scorer.artifact.store import (
    AccessDenied,
    AlreadyThere,
    BucketMissing,
    FileMissing,
    StoredFile,
    StoreError,
    Unavailable,
)
from fraud_scorer.artifact.volume import FILES, FOLDERS, LISTING, Kinds
from fraud_scorer.following.token import Token
from fraud_scorer.http.asgi import Application, Handler, Request, Response, json_response
from fraud_scorer.http.body import DisconnectedError
from fraud_scorer.problem import (
    BODY_TOO_LARGE,
    FORBIDDEN,
    REQUEST_TIMEOUT,
    Kind,
    Problem,
)

_BINARY, _LINES = "application/octet-stream", "application/x-ndjson"
_CHUNK = 1 << 20
_PAGE = 1000
_CLOSE = ((b"connection", b"close"),)
_KINDS: tuple[tuple[type[StoreError], Kind], ...] = (
    (FileMissing, Kind(Kinds.FILE_MISSING, "There is no such file", 404)),
    (BucketMissing, Kind(Kinds.VOLUME_MISSING, "The volume is not there", 503)),
    (AlreadyThere, Kind(Kinds.ALREADY_THERE, "The file exists already", 412)),
    (AccessDenied, FORBIDDEN),
    (Unavailable, Kind("store-away", "The volume cannot be used at the moment", 503)),
    (StoreError, Kind("bad-path", "This is no path on the volume", 400)),
)
"""What the caller is told of an error: the first that it is."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


def volume(store: DirectoryStore, token: Token, *, largest: int, silence: float) -> Application:
    """The server's port as an ASGI application. `largest` is how many bytes a file may have;
    `silence` is for how many seconds one that is being sent may not get on."""

    async def live(_: Request) -> Response:
        return json_response({"status": "live"})

    async def ready(_: Request) -> Response:
        await asyncio.to_thread(store.folders, "")
        return json_response({"status": "ready"})

    async def folders(request: Request) -> Response:
        return json_response(await asyncio.to_thread(store.folders, _path(request)))

    async def listing(request: Request) -> Response:
        path = _path(request)
        files = store.list_files(f"{path}/" if path else "")
        first = await asyncio.to_thread(_page, files)  # what goes wrong at once has its own answer
        return Response(content_type=_LINES, stream=_listed(request, files, first))

    async def read(request: Request) -> Response:
        opened = await asyncio.to_thread(store.opened, _path(request))
        known, tag = request.headers.get(b"if-none-match"), f'"{opened.etag}"'.encode()
        headers = ((b"etag", tag),)
        if known in (b"*", tag):
            opened.file.close()
            return Response(status=304, headers=headers)
        return Response(
            content_type=_BINARY,
            headers=headers,
            stream=_bytes(request, opened),
            size=opened.size,
        )

    async def write(request: Request) -> Response:
        path, only_new = _path(request), request.headers.get(b"if-none-match") == b"*"
        received = 0
        try:
            async with _in_threads(store.writing(path)) as upload:
                async for piece in _body(request, largest, silence):
                    received += len(piece)
                    await asyncio.to_thread(upload.write, piece)
                await asyncio.to_thread(upload.keep, replace=not only_new)
        except DisconnectedError:
            return Response(status=499)
        _log.info("written", extra={"file": path, "bytes": received, "new": only_new})
        return Response(status=201)

    async def delete(request: Request) -> Response:
        await asyncio.to_thread(store.delete, _path(request))
        _log.info("deleted", extra={"file": _path(request)})
        return Response(status=204)

    def guarded(handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            token.check(request.headers)
            return await _told(handler, request)

        return answer

    return Application(
        {
            "/health/live": {"GET": live},
            "/health/ready": {"GET": lambda request: _told(ready, request)},
            FOLDERS: {"GET": guarded(folders)},
            f"{FOLDERS}/{{path}}": {"GET": guarded(folders)},
            LISTING: {"GET": guarded(listing)},
            f"{LISTING}/{{path}}": {"GET": guarded(listing)},
            f"{FILES}/{{path}}": {
                "GET": guarded(read),
                "PUT": guarded(write),
                "DELETE": guarded(delete),
            },
        }
    )


def _path(request: Request) -> str:
    return request.parameters.get("path", "")


async def _told(handler: Handler, request: Request) -> Response:
    """The handler's answer; what the store says is wrong becomes the problem that it is."""
    try:
        return await handler(request)
    except StoreError as error:
        kind = next(kind for known, kind in _KINDS if isinstance(error, known))
        raise Problem(kind, str(error)) from None


@asynccontextmanager
async def _in_threads(blocking: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context whose beginning and end may block."""
    entered = await asyncio.to_thread(blocking.__enter__)
    try:
        yield entered
    except BaseException as error:
        left = (type(error), error, error.__traceback__)
        if not await asyncio.to_thread(blocking.__exit__, *left):
            raise
    else:
        await asyncio.to_thread(blocking.__exit__, None, None, None)


async def _body(request: Request, largest: int, silence: float) -> AsyncIterator[bytes]:
    """A request's body, in pieces of some size. Raises Problem, and DisconnectedError."""
    declared = request.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > largest:
        raise _too_large(largest)
    piece, received, more = bytearray(), 0, True
    while more:
        try:
            async with asyncio.timeout(silence):
                message = await request.receive()
        except TimeoutError:
            late = f"Nothing more of the file came for {silence:g} s"
            raise Problem(REQUEST_TIMEOUT, late, headers=_CLOSE) from None
        if message["type"] != "http.request":
            raise DisconnectedError
        more = message.get("more_body", False)
        piece += message.get("body", b"")
        if received + len(piece) > largest:
            raise _too_large(largest)
        if len(piece) >= _CHUNK or not more:
            received += len(piece)
            yield bytes(piece)
            piece.clear()


def _too_large(largest: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"A file has at most {largest} bytes here")


async def _bytes(request: Request, opened: Opened) -> AsyncIterator[bytes]:
    """The file, as long as it was when it was opened."""
    left = opened.size
    with opened.file as file:
        async for _ in _while_there(request):
            piece = await asyncio.to_thread(file.read, min(left, _CHUNK))
            if not piece:
                return
            left -= len(piece)
            yield piece


async def _listed(
    request: Request, files: Iterator[StoredFile], first: list[StoredFile]
) -> AsyncIterator[bytes]:
    """Pages of a listing, a line a file."""
    page = first
    async for _ in _while_there(request):
        if not page:
            return
        yield b"".join(msgspec.json.encode(one) + b"\n" for one in page)
        page = await asyncio.to_thread(_page, files)


def _page(files: Iterator[StoredFile]) -> list[StoredFile]:
    return list(islice(files, _PAGE))


async def _while_there(request: Request) -> AsyncIterator[None]:
    """Turns for as long as the client is there: what is sent to one that left goes nowhere, and
    would be read to its end all the same."""
    left = asyncio.ensure_future(_left(request))
    try:
        while not left.done():
            yield
    finally:
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
