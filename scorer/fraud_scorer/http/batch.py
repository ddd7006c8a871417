"""`POST /v1/score/batch`: many transactions in one request, each answered for itself.

They come as a JSON array or as lines (NDJSON), and the answers go out in the same form and order:
a score, or the problem document that the transaction alone would have got, with its position. Each
takes the whole way of a single transaction, and waits for its turn among those (see `turns`). Those
of one turn that ask a store ask it together.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from fraud_scorer.http.asgi import JSON, Handler, Request, Response
from fraud_scorer.http.body import media_type, read_body
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.turns import Turns
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.parse import malformed
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.problem import (
    INTERNAL,
    INVALID,
    OVERLOADED,
    TOO_MANY_ITEMS,
    Problem,
    ProblemDocument,
    field_error,
)

NDJSON = "application/x-ndjson"

_Item = tuple[int, bytes | Pending[bytes]]
"""A position in the batch, and what is said there."""

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_log = logging.getLogger(__name__)


class ItemProblem(ProblemDocument, frozen=True, kw_only=True):
    """Why one transaction of a batch has no score. Pointers are relative to that transaction."""

    item: Annotated[int, Meta(ge=0, description="Its position in the batch, from 0.")]


class _Form(NamedTuple):
    """How a batch is written: its bytes to items, and parts of answers to bytes."""

    split: Callable[[bytes], Sequence[bytes | msgspec.Raw]]
    join: Callable[[AsyncIterator[list[bytes]]], AsyncIterator[bytes]]


def batch(pipeline: Pipeline, metrics: Metrics, turns: Turns, limits: Limits) -> Handler:
    """The route's handler."""

    def begun(request: Request, items: Iterable[bytes | msgspec.Raw]) -> Iterator[_Item]:
        for position, item in enumerate(items):
            try:
                context = pipeline.admit(request.headers, "batch")
                answer = pipeline.answer(context, bytes(item))
            except Exception as error:
                yield position, failed(position, error)
            else:
                if isinstance(answer, bytes):
                    metrics.item_answered(200)
                yield position, answer

    async def answers(parts: AsyncIterator[list[_Item]]) -> AsyncIterator[list[bytes]]:
        async for part in parts:
            yield [
                answer if isinstance(answer, bytes) else await waited(position, answer)
                for position, answer in part
            ]

    async def waited(position: int, answer: Pending[bytes]) -> bytes:
        try:
            document = await answer.wait()
        except Exception as error:
            return failed(position, error)
        metrics.item_answered(200)
        return document

    def failed(position: int, error: Exception) -> bytes:
        if isinstance(error, Problem):
            problem = error
        else:
            _log.error("item %d of a batch failed", position, exc_info=error)
            problem = Problem(INTERNAL, "The failure was logged")
        if problem.kind is OVERLOADED:
            metrics.turned_away()
        metrics.item_answered(problem.status)
        fields = msgspec.structs.asdict(problem.document)
        return msgspec.json.encode(ItemProblem(**fields, item=position))

    async def score_batch(request: Request) -> Response:
        pipeline.admit(request.headers)
        body = await read_body(
            request, media=_FORMS, limit=limits.batch_bytes, seconds=limits.body_seconds
        )
        kind = media_type(request)
        form = _FORMS[kind]
        items = form.split(body)
        if len(items) > limits.batch_items:
            raise Problem(
                TOO_MANY_ITEMS,
                f"A batch has at most {limits.batch_items} transactions, this one has"
                f" {len(items)}: send it in parts",
            )
        stream = form.join(answers(turns.slices(begun(request, items))))
        return Response(content_type=kind, stream=stream)

    return score_batch


def _elements(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ARRAY.decode(body)
    except msgspec.ValidationError:
        error = field_error([], "must be an array of transactions")
        raise Problem(INVALID, f"The body {error.detail}", [error]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from None


async def _array(parts: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    before = b"["
    async for part in parts:
        yield before + b",".join(part)
        before = b","
    yield b"[]" if before == b"[" else b"]"


def _lines(body: bytes) -> list[bytes]:
    """The lines with something in them."""
    return [line for line in body.split(b"\n") if line.strip()]


async def _ndjson(parts: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield b"".join(line + b"\n" for line in part)


_FORMS = {JSON: _Form(_elements, _array), NDJSON: _Form(_lines, _ndjson)}
