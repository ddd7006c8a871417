"""A body of things of one kind: one object, an array of them, or a line each (NDJSON)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from fraud_scorer.http.asgi import JSON, Request
from fraud_scorer.http.batch import NDJSON
from fraud_scorer.http.body import media_type, read_body
from fraud_scorer.http.limits import Limits
from fraud_scorer.pipeline.parse import malformed
from fraud_scorer.problem import (
    INVALID_RECORD,
    TOO_MANY_ITEMS,
    FieldError,
    Problem,
    field_error,
)

MEDIA = (JSON, NDJSON)

T = TypeVar("T")


class Bodies(Generic[T]):
    """Reads such bodies, and says of each thing that is not right where it is and why."""

    def __init__(self, kind: type[T], what: str) -> None:
        """`what`: what they are called, in the plural."""
        self._what = what
        self._one = msgspec.json.Decoder(kind)
        self._many = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._raw = msgspec.json.Decoder(list[msgspec.Raw])

    async def read(self, request: Request, limits: Limits) -> tuple[bytes, list[T]]:
        """The body as it came, and what is in it. Raises Problem."""
        body = await read_body(
            request, media=MEDIA, limit=limits.batch_bytes, seconds=limits.body_seconds
        )
        found = self._decoded(body, lines=media_type(request) == NDJSON)
        if len(found) > limits.batch_items:
            raise Problem(
                TOO_MANY_ITEMS,
                f"A request has at most {limits.batch_items} {self._what}, this one has"
                f" {len(found)}: send them in parts",
            )
        return body, found

    def _decoded(self, body: bytes, *, lines: bool) -> list[T]:
        try:
            try:
                if lines:
                    return self._one.decode_lines(body)
                if _is_array(body):
                    return self._many.decode(body)
                return [self._one.decode(body)]
            except msgspec.ValidationError:
                refusal = self._refusal(body, lines=lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(body, error) from None
        raise refusal

    def _refusal(self, body: bytes, *, lines: bool) -> Problem:
        """Which of them are not right."""
        alone = False
        if lines:
            items = [msgspec.Raw(line) for line in body.split(b"\n") if line.strip()]
        elif _is_array(body):
            items = self._raw.decode(body)
        else:
            items, alone = [msgspec.Raw(body)], True
        errors = []
        for position, item in enumerate(items):
            try:
                self._one.decode(item)
            except msgspec.ValidationError as error:
                errors.append(at([] if alone else [position], error))
        return refused(self._what, errors)


def check(what: str, field: str, sent: Sequence[T], wrong: Callable[[T], str]) -> None:
    """Hold each against more than its type. `wrong` says what is wrong with that field of one;
    empty where nothing is. Raises Problem."""
    errors = [
        field_error([str(position), field] if len(sent) > 1 else [field], problem)
        for position, one in enumerate(sent)
        if (problem := wrong(one))
    ]
    if errors:
        raise refused(what, errors)


def at(place: Iterable[str | int], error: msgspec.ValidationError) -> FieldError:
    """The error of something at that place, which says itself what of it is not right."""
    text, _, where = str(error).partition(" - at `$")
    fields = [part for part in where.rstrip("`").replace("[", ".").split(".") if part]
    return field_error([*map(str, place), *fields], text)


def refused(what: str, errors: list[FieldError]) -> Problem:
    """The problem of a body of which nothing was taken."""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    first = f"{errors[0].pointer} {errors[0].detail}"
    return Problem(
        INVALID_RECORD,
        f"Nothing was recorded, as not all {what} are right: {first}{more}",
        errors,
    )


def _is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["
