"""The protocol's binary extension: tensors follow the JSON, which says how long each is.

KServe's and Triton's clients send NumPy arrays so unless they are told otherwise. All numbers are
little-endian; a string is its length in four bytes and its UTF-8.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Sequence

from fraud_scorer.http.oip.messages import InferRequest, InputTensor
from fraud_scorer.problem import INVALID, Problem, field_error

EXTENSION = "binary_tensor_data"
LENGTH_HEADER = b"inference-header-content-length"
SIZE = "binary_data_size"
MEDIA_TYPE = "application/octet-stream"
_MOST_DIGITS = 20
"""Of a length. Python takes its time over more, and refuses to read thousands."""

ARRAYS = {
    "FP32": "f",
    "FP64": "d",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
}
"""What `array` calls the protocol's numbers."""


def split(body: bytes, length: bytes | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and what follows it. `length` is the header that says where it ends."""
    view = memoryview(body)
    if length is None:
        return body, view[len(body) :]
    if not length.isdigit() or len(length) > _MOST_DIGITS or int(length) > len(body):
        raise Problem(INVALID, "Inference-Header-Content-Length is not the length of the JSON")
    return bytes(view[: int(length)]), view[int(length) :]


def assign(request: InferRequest, following: memoryview) -> list[memoryview | None]:
    """Which bytes are each input's; None where its data is in the JSON. Raises Problem."""
    parts: list[memoryview | None] = []
    for index, tensor in enumerate(request.inputs):
        size = (tensor.parameters or {}).get(SIZE)
        if size is None:
            parts.append(None)
            continue
        if type(size) is not int or not 0 <= size <= len(following):
            raise _invalid(["inputs", str(index), "parameters", SIZE], "is not what was sent")
        parts.append(following[:size])
        following = following[size:]
    if len(following):
        raise _invalid(["inputs"], f"{len(following)} bytes after the JSON are no input's")
    return parts


def numbers(tensor: InputTensor, part: memoryview) -> list[float] | None:
    """The numbers in those bytes, or None where they are not of this datatype."""
    values: array[float] = array(ARRAYS[tensor.datatype])
    if len(part) % values.itemsize:
        return None
    values.frombytes(part)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def strings(part: memoryview) -> list[str] | None:
    """The strings in those bytes, or None where they are none."""
    found = []
    at = 0
    while at < len(part):
        if at + 4 > len(part):
            return None
        (length,) = struct.unpack_from("<I", part, at)
        at += 4 + length
        if at > len(part):
            return None
        try:
            found.append(str(part[at - length : at], "utf-8"))
        except UnicodeDecodeError:
            return None
    return found


def encoded(values: Sequence[float | str | None]) -> bytes:
    """The bytes of an output: FP64 (NaN for none) or BYTES."""
    parts = []
    for value in values:
        if isinstance(value, str):
            data = value.encode()
            parts.append(struct.pack("<I", len(data)) + data)
        else:
            parts.append(struct.pack("<d", math.nan if value is None else value))
    return b"".join(parts)


def _invalid(path: Sequence[str], detail: str) -> Problem:
    error = field_error(path, detail)
    return Problem(INVALID, f"{error.pointer} {error.detail}", [error])
