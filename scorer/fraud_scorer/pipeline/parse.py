"""Stage two: bytes to a ScoreRequest, or a problem that names the field.

Decoding is strict and one pass; patterns, which take as long as all the rest, are looked at only
for what was not seen before. Only when decoding fails is the body read again, slowly, to say where:
the fast decoder does not know the names of map keys, and JSON has no NaN to point at.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from fraud_scorer.pipeline.envelope import MAX_ENTITIES, EntityId, ScoreRequest
from fraud_scorer.problem import INVALID, MALFORMED, FieldError, Problem, field_error
from fraud_scorer.registry.inputs import Row


class _Plain(ScoreRequest, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A ScoreRequest whose patterns were not looked at yet."""

    entities: Annotated[dict[str, EntityId], Meta(max_length=MAX_ENTITIES)]
    currency: str


_STRICT: Any = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True}
_DECODER = msgspec.json.Decoder(ScoreRequest)
_PLAIN_DECODER = msgspec.json.Decoder(_Plain)
_KINDS: set[str] = set()
_CURRENCIES: set[str] = set()
_MOST_KNOWN = 1000
"""Kinds of entities and currencies that matched their patterns. There are few in earnest, and no
more than that are remembered."""

_MAPS = {field.name: field.type for field in msgspec.structs.fields(ScoreRequest)}
_MISSING = "Object missing required field `"
_UNKNOWN = "Object contains unknown field `"
_LOCATED = re.compile(r"(.*) - at (`key` in )?`\$\.(\w+)(\[\.\.\.\])?`", re.DOTALL)
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_MAX_LENIENT = 1 << 18
_PATTERNS = {
    "currency": "must be three capital letters (ISO 4217), such as EUR",
    "entities": "is not a kind of entity: a lower-case letter, then such, digits and underscores",
}
_WORDS = {
    "array": "an array",
    "bool": "a boolean",
    "datetime": "an RFC 3339 time in a string",
    "float": "a number with a fraction or exponent",
    "float | str | null": "a number, a string or null",
    "int": "an integer",
    "null": "null",
    "object": "an object",
    "str": "a string",
}


def parse(body: bytes) -> ScoreRequest:
    """The request in a body. Raises Problem (400 where it is not JSON, 422 for anything else)."""
    try:
        plain = _PLAIN_DECODER.decode(body)
        if plain.currency in _CURRENCIES and _KINDS.issuperset(plain.entities):
            return plain
        request = _DECODER.decode(body)
        if max(len(_KINDS), len(_CURRENCIES)) < _MOST_KNOWN:
            _KINDS.update(request.entities)
            _CURRENCIES.add(request.currency)
        return request
    except msgspec.ValidationError as error:
        raise _invalid(body, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from None


Fitting = Callable[[bytes], tuple[ScoreRequest, Row] | None]


def fitting(sent: type[msgspec.Struct] | None) -> Fitting | None:
    """How a body is read whose features are to go into that type (`Inputs.sent`), where there is
    one: to the request, whose features have no names then, and the model's row.

    It gives nothing for whatever is not all right, or was not seen before: `parse` says what it is.
    """
    if sent is None:
        return None
    plain = msgspec.defstruct("Fitting", [("features", sent)], bases=(_Plain,), gc=False, **_STRICT)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(plain).decode

    def read(body: bytes) -> tuple[ScoreRequest, Row] | None:
        try:
            found = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        seen = found.currency in _CURRENCIES and _KINDS.issuperset(found.entities)
        return (found, astuple(found.features)) if seen else None

    return read


def malformed(body: bytes, error: Exception) -> Problem:
    """The problem with a body that a decoder could not read as JSON at all."""
    if isinstance(error, RecursionError):
        return Problem(MALFORMED, "The body is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Problem(MALFORMED, "The body is not UTF-8")
    if errors := [
        field_error(path, "must be a finite number: JSON has no NaN or Infinity")
        for path in _not_finite(_lenient(body))
    ]:
        return Problem(MALFORMED, f"{errors[0].pointer} {errors[0].detail}", errors)
    return Problem(MALFORMED, f"The body is not JSON: {error}")


def _invalid(body: bytes, message: str) -> Problem:
    """Turn the decoder's message into a problem.

    Messages about a field of the transaction itself quote its name, which is the caller's and may
    look like anything; so these come first.
    """
    if message.startswith(_MISSING):
        errors = [field_error([message[len(_MISSING) : -1]], "is missing")]
    elif message.startswith(_UNKNOWN):
        errors = [field_error([message[len(_UNKNOWN) : -1]], "is not a field of a transaction")]
    elif found := _LOCATED.fullmatch(message):
        what, in_key, field, in_value = found.groups()
        errors = list(_entry_errors(body, field)) if in_key or in_value else []
        errors = errors or [wrong([field], what)]
    else:
        errors = [wrong([], message)]
    return Problem(INVALID, f"{errors[0].pointer} {errors[0].detail}", errors)


def _entry_errors(body: bytes, field: str) -> Iterator[FieldError]:
    """Which entries of a map are at fault: each is held against the map's type by itself."""
    document = _lenient(body)
    entries = document.get(field) if isinstance(document, dict) else None
    for key, value in entries.items() if isinstance(entries, dict) else ():
        try:
            msgspec.convert({key: value}, _MAPS[field])
        except msgspec.ValidationError as error:
            yield wrong([field, key], str(error).partition(" - at ")[0])
        except (OverflowError, RecursionError):
            yield field_error([field, key], "is out of range")
        else:
            if isinstance(value, float) and not math.isfinite(value):
                yield field_error([field, key], "is out of range")


def _not_finite(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of NaN and Infinity, as deep as a transaction is, or one of several."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict | list) and len(path) < 4:
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from _not_finite(inner, (*path, str(key)))


def _lenient(body: bytes) -> Any:
    """The body as Python's own reader sees it, which takes NaN; None where it cannot read it, or
    should not: it takes as long as it takes, and others wait."""
    if len(body) > _MAX_LENIENT:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def wrong(path: Sequence[str], what: str) -> FieldError:
    """The error at a path, the decoder's words turned into those of JSON."""
    if found := _EXPECTED.fullmatch(what):
        wanted, got = (_WORDS.get(word, word) for word in found.groups())
        what = f"must be {wanted}, not {got}"
    elif " matching regex " in what:
        what = _PATTERNS.get(path[0], what)
    elif what == "Number out of range":
        what = "is out of range"
    return field_error(path, what)
