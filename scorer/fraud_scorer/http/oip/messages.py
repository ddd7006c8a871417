"""What the protocol's JSON may be. These types are its documentation too."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from fraud_scorer.pipeline.parse import malformed, wrong
from fraud_scorer.problem import INVALID, FieldError, Problem, ProblemDocument, field_error

Datatype = Literal[
    "FP32",
    "FP64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "BYTES",
]
Parameters = dict[str, bool | int | float | str]


class _Message(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Strict, as an unknown field would be ignored."""


class InputTensor(_Message, frozen=True, kw_only=True):
    """The values of one feature, or of all of them, for one or more transactions."""

    name: str
    shape: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1, max_length=2)]
    datatype: Datatype
    parameters: Parameters | None = None
    data: Annotated[
        list[Any] | UnsetType,
        Meta(description="In row-major order, flat or nested. Absent where it is binary."),
    ] = UNSET


class RequestedOutput(_Message, frozen=True, kw_only=True):
    """An output that is wanted."""

    name: Literal["score", "decision", "prediction_id", "reasons", "version"]
    parameters: Parameters | None = None


class InferRequest(_Message, frozen=True, kw_only=True):
    """Transactions to be scored: one a row of the tensors."""

    id: str | None = None
    model_name: Annotated[
        str | None, Meta(description="Some clients repeat it here: the one in the path.")
    ] = None
    parameters: Annotated[
        Parameters | None,
        Meta(
            description="What the tensors have no place for, the same for all rows:"
            " transaction_id, event_time, amount_minor, currency, entities.KIND."
        ),
    ] = None
    inputs: Annotated[list[InputTensor], Meta(min_length=1)]
    outputs: list[RequestedOutput] | None = None


class OutputTensor(_Message, frozen=True, kw_only=True):
    """One output, a value a row."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] | UnsetType = UNSET
    data: list[float | str | None] | UnsetType = UNSET


class InferResponse(_Message, frozen=True, kw_only=True):
    """The answers, in the order of the rows."""

    model_name: str
    model_version: str
    id: Annotated[str | UnsetType, Meta(description="The request's, where it had one.")] = UNSET
    outputs: list[OutputTensor]


class TensorMetadata(_Message, frozen=True, kw_only=True):
    """An input or an output of the model; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Message, frozen=True, kw_only=True):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(_Message, frozen=True, kw_only=True):
    """Which server this is."""

    name: str
    version: str
    extensions: list[str]


class Live(_Message, frozen=True, kw_only=True):
    """The server answers."""

    live: bool


class Ready(_Message, frozen=True, kw_only=True):
    """The server has a model that answers."""

    ready: bool


class ModelReady(_Message, frozen=True, kw_only=True):
    """That model answers."""

    name: str
    ready: bool


class InferProblem(ProblemDocument, frozen=True, kw_only=True):
    """A problem document that the protocol's clients can read too."""

    error: Annotated[str, Meta(description="What the protocol calls the detail.")]


_REQUEST = msgspec.json.Decoder(InferRequest)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def read(body: bytes) -> InferRequest:
    """The request in a body. Raises Problem (400 where it is not JSON, 422 for anything else)."""
    try:
        return _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        found = _located(str(error))
        raise Problem(INVALID, f"{found.pointer} {found.detail}", [found]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from None


def _located(message: str) -> FieldError:
    """The decoder's message as an error at its place."""
    what, _, where = message.rpartition(" - at `$")
    path = [name or index for name, index in _STEP.findall(where)] if what else []
    what = what or message
    if found := _MISSING.fullmatch(what):
        return field_error([*path, found[1]], "is missing")
    if found := _UNKNOWN.fullmatch(what):
        return field_error([*path, found[1]], "is not a field of the protocol")
    if what.startswith("Invalid enum value") and path[-1:] == ["datatype"]:
        return field_error(path, f"must be one of {', '.join(get_args(Datatype))}")
    return wrong(path, what)
