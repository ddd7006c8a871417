"""Tensors to columns: for each feature its values, a row a transaction.

There are two ways to send them. One tensor a feature, by its name, of shape [n] or [n, 1]; or, for
a model whose features are all numbers, one tensor [n, features] of any name, in the manifest's
order. Whether a value may be that feature's is for the pipeline to say.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from fraud_scorer.artifact.manifest import Feature, Manifest, Value
from fraud_scorer.http.oip import binary
from fraud_scorer.http.oip.messages import InferRequest, InputTensor
from fraud_scorer.problem import INVALID, Problem, field_error
from fraud_scorer.registry.inputs import sent

_HINTS = {binary.SIZE, "content_type"}
"""Parameters of a tensor that say how it was written, and change nothing of what it says."""

_INTEGERS: set[type] = {int}
_FLOATS: set[type] = {float, int, type(None)}
_TYPES: dict[str, set[type]] = {"FP32": _FLOATS, "FP64": _FLOATS, "BYTES": {str, type(None)}}


class Column(NamedTuple):
    """A feature's values, and where they stand in the request."""

    values: Sequence[Value]
    tensor: int
    offset: int
    width: int
    nested: bool

    def path(self, row: int) -> list[str]:
        """The path to that row's value in the request."""
        return _path(self.tensor, row * self.width + self.offset, self.width, self.nested)


class _Read(NamedTuple):
    values: list[Value]
    nested: bool


def columns(
    request: InferRequest, parts: Sequence[memoryview | None], manifest: Manifest
) -> dict[str, Column]:
    """The values of every feature by its name, all of the same number of rows. Raises Problem."""
    features = {feature.name: feature for feature in sent(manifest)}
    first = request.inputs[0]
    if len(request.inputs) == 1 and _is_matrix(first, features):
        return _of_matrix(first, parts[0], manifest)
    found: dict[str, Column] = {}
    for index, (tensor, part) in enumerate(zip(request.inputs, parts, strict=True)):
        if tensor.name not in features:
            raise _invalid([index, "name"], f"is not a feature of model {manifest.model}")
        if tensor.name in found:
            raise _invalid([index, "name"], "is there twice")
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            raise _invalid([index, "shape"], "must be [n] or [n, 1]")
        if tensor.shape[0] != first.shape[0]:
            raise _invalid([index, "shape"], f"must have {first.shape[0]} rows like the first")
        values, nested = _values(index, tensor, part, features[tensor.name].type)
        found[tensor.name] = Column(values, index, 0, 1, nested)
    if missing := [name for name in features if name not in found]:
        errors = [field_error(["inputs"], f"has no tensor for feature {name}") for name in missing]
        raise Problem(INVALID, f"{errors[0].pointer} {errors[0].detail}", errors)
    return found


def _is_matrix(tensor: InputTensor, features: dict[str, Feature]) -> bool:
    return len(tensor.shape) == 2 and tensor.name not in features


def _of_matrix(
    tensor: InputTensor, part: memoryview | None, manifest: Manifest
) -> dict[str, Column]:
    strings = [one.name for one in sent(manifest) if one.type != "number"]
    if strings:
        raise _invalid([0], f"must be a tensor a feature, for {strings[0]} is not a number")
    width = len(sent(manifest))
    if tensor.shape[1] != width:
        raise _invalid([0, "shape"], f"must be [n, {width}]: the model has {width} features")
    values, nested = _values(0, tensor, part, "number")
    return {
        feature.name: Column(values[index::width], 0, index, width, nested)
        for index, feature in enumerate(sent(manifest))
    }


def _values(index: int, tensor: InputTensor, part: memoryview | None, kind: str) -> _Read:
    """All values of a tensor, row by row, as numbers or strings."""
    for name in tensor.parameters or {}:
        if name not in _HINTS:
            raise _invalid([index, "parameters", name], "is not a parameter that is known here")
    if (kind == "number") != (tensor.datatype != "BYTES"):
        wanted = "a number, such as FP64" if kind == "number" else "BYTES: it is a category"
        raise _invalid([index, "datatype"], f"must be {wanted}")
    read = _of_json(index, tensor) if part is None else _of_binary(index, tensor, part)
    count = math.prod(tensor.shape)
    if len(read.values) != count:
        raise _invalid([index, "data"], f"has {len(read.values)} values, but the shape {count}")
    return read


def _of_binary(index: int, tensor: InputTensor, part: memoryview) -> _Read:
    if tensor.data is not UNSET:
        raise _invalid([index, "data"], "is there although the tensor is binary")
    if tensor.datatype == "BYTES":
        strings = binary.strings(part)
        if strings is not None:
            return _Read(list(strings), nested=False)
    else:
        numbers = binary.numbers(tensor, part)
        if numbers is not None:  # NaN is how such a tensor says null
            return _Read([None if value != value else value for value in numbers], nested=False)
    raise _invalid([index, "parameters", binary.SIZE], f"its bytes are not {tensor.datatype}")


def _of_json(index: int, tensor: InputTensor) -> _Read:
    if tensor.data is UNSET:
        raise _invalid([index, "data"], "is missing")
    data = tensor.data
    width = tensor.shape[-1] if len(tensor.shape) == 2 else 1
    nested = any(isinstance(one, list) for one in data)
    if nested:
        for row, inner in enumerate(data):
            if not isinstance(inner, list) or len(inner) != width:
                raise _invalid([index, "data", row], f"must be a row of {width} values")
        data = [value for inner in data for value in inner]
    allowed = _TYPES.get(tensor.datatype, _INTEGERS)
    if not set(map(type, data)) <= allowed:
        at = next(at for at, value in enumerate(data) if type(value) not in allowed)
        raise _wrong(_path(index, at, width, nested), f"is not {tensor.datatype}")
    if tensor.datatype == "BYTES":
        return _Read(data, nested)
    code = binary.ARRAYS[tensor.datatype]
    try:
        return _Read(_held(code, data), nested)
    except OverflowError:
        at = next(at for at, value in enumerate(data) if not _holds(code, value))
        path = _path(index, at, width, nested)
        raise _wrong(path, f"is out of range for {tensor.datatype}") from None


def _held(code: str, data: Sequence[float | None]) -> list[Value]:
    """The numbers as that type holds them: 0.1 as FP32 is not what it is as FP64."""
    held = array(code, [value or 0 for value in data])
    return [None if value is None else number for value, number in zip(data, held, strict=True)]


def _holds(code: str, value: float | None) -> bool:
    try:
        array(code, [value or 0])
    except OverflowError:
        return False
    return True


def _path(tensor: int, at: int, width: int, nested: bool) -> list[str]:
    """The path to the value at that place of a tensor."""
    steps = divmod(at, width) if nested else (at,)
    return ["inputs", str(tensor), "data", *map(str, steps)]


def _invalid(path: Sequence[str | int], detail: str) -> Problem:
    return _wrong(["inputs", *map(str, path)], detail)


def _wrong(path: Sequence[str], detail: str) -> Problem:
    error = field_error(path, detail)
    return Problem(INVALID, f"{error.pointer} {error.detail}", [error])
