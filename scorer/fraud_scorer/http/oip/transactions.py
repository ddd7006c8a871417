"""Rows to transactions, as the pipeline takes them.

The protocol knows features only. What else belongs to a transaction comes in the request's
parameters, the same for every row, or is what is said here where nobody says anything:

    transaction_id  the request's id, or a new one; with more than one row followed by /0, /1, ...
    event_time      now
    amount_minor    0
    currency        XXX, which is how ISO 4217 writes that there is none
    entities.KIND   none
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from fraud_scorer.http.oip.messages import InferRequest
from fraud_scorer.http.oip.tensors import Column
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.pipeline.parse import wrong
from fraud_scorer.problem import INVALID, FieldError, Problem, field_error

_ENTITIES = "entities."
_FIELDS = {"transaction_id", "event_time", "amount_minor", "currency"}
_HINTS = {"content_type", "binary_data_output"}
"""How tensors are written; `outputs` heeds the second."""


def transactions(
    request: InferRequest, columns: Mapping[str, Column], now: datetime
) -> Iterator[ScoreRequest]:
    """The transactions in a request, one a row. Raises Problem, at once."""
    common = _common(request, now)
    whole = _checked(common, request)
    ids = [whole.transaction_id]
    rows = len(next(iter(columns.values())).values)
    if rows != 1:
        ids = [f"{whole.transaction_id}/{row}" for row in range(rows)]
        # Only the ids differ from row to row, and none is longer than the last.
        _checked(common | {"transaction_id": ids[-1]} if ids else common, request)
    names = tuple(columns)
    values = zip(*(column.values for column in columns.values()), strict=True)
    return (
        msgspec.structs.replace(
            whole, transaction_id=one, features=dict(zip(names, row, strict=True))
        )
        for one, row in zip(ids, values, strict=True)
    )


def relocated(problem: Problem, row: int, columns: Mapping[str, Column]) -> Problem:
    """A transaction's problem, its features found again in the request's tensors."""
    places = {
        field_error(["features", name], "").pointer: column.path(row)
        for name, column in columns.items()
    }
    places[field_error(["event_time"], "").pointer] = ["parameters", "event_time"]
    errors = [
        field_error(places[error.pointer], error.detail) if error.pointer in places else error
        for error in problem.document.errors
    ]
    count = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{errors[0].pointer} {errors[0].detail}{count}" if errors else f"Row {row}: {problem}"
    return Problem(problem.kind, detail, errors, problem.headers)


def _common(request: InferRequest, now: datetime) -> dict[str, Any]:
    """What all rows share, as plain data."""
    entities: dict[str, Any] = {}
    common: dict[str, Any] = {
        "transaction_id": request.id or str(uuid.uuid4()),
        "event_time": now.astimezone(UTC).isoformat(),
        "amount_minor": 0,
        "currency": "XXX",
        "entities": entities,
        "features": {},
    }
    for name, value in (request.parameters or {}).items():
        if name in _FIELDS:
            common[name] = value
        elif name.startswith(_ENTITIES):
            entities[name.removeprefix(_ENTITIES)] = value
        elif name not in _HINTS:
            known = ", ".join([*sorted(_FIELDS), f"{_ENTITIES}KIND"])
            error = field_error(["parameters", name], f"is not known; parameters are {known}")
            raise Problem(INVALID, f"{error.pointer} {error.detail}", [error])
    return common


def _checked(fields: dict[str, Any], request: InferRequest) -> ScoreRequest:
    """The transaction with these fields, held against the types of any other."""
    try:
        return msgspec.convert(fields, ScoreRequest)
    except msgspec.ValidationError as error:
        found = _located(str(error), fields, request)
        raise Problem(INVALID, f"{found.pointer} {found.detail}", [found]) from None


def _located(message: str, fields: dict[str, Any], request: InferRequest) -> FieldError:
    """The converter's message at what it is about: a parameter, or the request's id."""
    what, _, where = message.rpartition(" - at ")
    field = next(name for name in fields if f"$.{name}" in where)
    if field == "entities":
        return _located_entity(what, fields)
    named = field in (request.parameters or {})
    return field_error(["parameters", field] if named else ["id"], wrong([field], what).detail)


def _located_entity(what: str, fields: dict[str, Any]) -> FieldError:
    for kind, value in fields["entities"].items():
        try:
            msgspec.convert(fields | {"entities": {kind: value}}, ScoreRequest)
        except msgspec.ValidationError as error:
            alone = str(error).rpartition(" - at ")[0]
            path = ["parameters", f"{_ENTITIES}{kind}"]
            return field_error(path, wrong(["entities", kind], alone).detail)
    return field_error(["parameters"], wrong(["entities"], what).detail)
