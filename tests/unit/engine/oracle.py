"""A second reading of docs/fdm.md, in NumPy: parses a file and runs its program over many rows.

Slow and plain on purpose. It shares no code with the engine or the compiler; where it agrees with
the engine bit for bit, the document, the file and the C code say the same. exp and log are the
engine's own functions (test_mathfn.py holds them to decimal arithmetic).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.engine import _walk

Array = NDArray[Any]
TYPES = {
    1: np.dtype("<f8"),
    2: np.dtype("<u4"),
    3: np.dtype([("threshold", "<f4"), ("link", "<u4")]),
    4: np.dtype([("threshold", "<f8"), ("feature", "<u4"), ("delta", "<u4")]),
    5: np.dtype(
        [
            ("code", "<u2"),
            ("flags", "<u2"),
            ("n", "<u4"),
            ("dst", "<u4"),
            ("sec", "<u4", 5),
            ("k", "<f8"),
        ]
    ),
}
NONE = 0xFFFFFFFF


@dataclass
class File:
    """The parts of a file."""

    header: dict[str, Any]
    sections: list[Array]

    @property
    def meta(self) -> list[int]:
        return [int(v) for v in self.sections[0]]


def parse(data: bytes) -> File:
    """The sections of a well-formed file."""
    magic, version, header_size, size, count, zero, _ = struct.unpack_from("<8sIIQII32s", data)
    assert (magic, version, size, zero) == (b"\x89FDM\r\n\x1a\n", 1, len(data), 0)
    sections = []
    for i in range(count):
        kind, zero, offset, length = struct.unpack_from("<IIQQ", data, 64 + 24 * i)
        assert zero == 0
        assert offset % 64 == 0
        sections.append(np.frombuffer(data, TYPES[kind], length, offset))
    start = 64 + 24 * count
    return File(json.loads(data[start : start + header_size]), sections)


def run(file: File, inputs: Array) -> tuple[Array, Array]:
    """(every slot of every row, which rows are refused) for rows x inputs numbers."""
    n_inputs, n_slots, _, _ = file.meta
    v = np.zeros((len(inputs), n_slots))
    v[:, :n_inputs] = inputs
    refused = np.zeros(len(inputs), dtype=bool)
    with np.errstate(all="ignore"):
        for op in file.sections[1]:
            parts = [None if s == NONE else file.sections[s] for s in op["sec"]]
            made, bad = OPERATIONS[int(op["code"])](op, parts, v)
            if made is not None:
                v[:, op["dst"] : op["dst"] + made.shape[1]] = made
            refused |= bad
    return v, refused | np.isnan(v[:, file.meta[2]])


NO_ROW = np.zeros(1, dtype=bool)


def check(op: Any, parts: Any, v: Array) -> Any:
    x = v[:, parts[0]]
    largest = float.fromhex("0x1.fffffefffffffp+127") if op["flags"] & 4 else np.finfo(float).max
    bad = np.isnan(x) & bool(op["flags"] & 1) | (np.abs(x) > largest) & bool(op["flags"] & 2)
    return None, bad.any(axis=1)


def elementwise(function: Any) -> Any:
    def operation(op: Any, parts: Any, v: Array) -> Any:
        return function(v[:, parts[0]], *(p for p in parts[1:] if p is not None)), NO_ROW

    return operation


def lookup(op: Any, parts: Any, v: Array) -> Any:
    slots, keys, values = parts[:3]
    made, bad = [], []
    for x in v[:, slots[0]]:
        at = np.flatnonzero(keys == x)
        where = at[0] if len(at) else len(keys) + (not np.isnan(x))
        made.append([values[where]])
        bad.append(bool(where >= len(keys) and op["flags"] & (2 if np.isnan(x) else 1)))
    return np.array(made), np.array(bad)


def onehot(op: Any, parts: Any, v: Array) -> Any:
    return (v[:, parts[0]] == np.arange(op["n"])).astype(float), NO_ROW


def bins(op: Any, parts: Any, v: Array) -> Any:
    return np.searchsorted(parts[1], v[:, parts[0]], side="right").astype(float), NO_ROW


def linear(op: Any, parts: Any, v: Array) -> Any:
    total = np.zeros(len(v))
    for slot, coefficient in zip(parts[0], parts[1], strict=True):
        total = total + coefficient * v[:, slot]
    return (total + op["k"])[:, None], NO_ROW


def sums(op: Any, parts: Any, v: Array) -> Any:
    total = np.zeros(len(v))
    for slot in parts[0]:
        total = total + v[:, slot]
    return total[:, None], NO_ROW


def gathered(op: Any, columns: Array, v: Array, single: bool) -> Array:
    """The row a tree reads: -inf first, then each column under its rule for missing values."""
    x = np.full((len(v), len(columns) + 1), -np.inf)
    for i, column in enumerate(columns):
        value = v[:, column & 0x3FFFFFFF]
        if single:
            value = value.astype(np.float32).astype(float)
        if column & 0x40000000:
            value = np.where((value >= 0) & (value < 256), np.trunc(value), 256)
        elif column & 0x80000000:
            value = np.where(np.isnan(value), -np.inf, value)
        x[:, i + 1] = value
    return x


def trees(op: Any, parts: Any, v: Array) -> Any:
    columns, nodes, third, roots = parts[:4]
    narrow = op["code"] == 16
    x = gathered(op, columns, v, single=bool(narrow or op["flags"] & 1))
    total = np.full(len(v), op["k"])
    rows = np.arange(len(v))
    for root in roots[:-1]:
        at = np.full(len(v), root, dtype=np.int64)
        while True:
            node = nodes[at]
            feature = node["link"] & 0x7FF if narrow else node["feature"]
            delta = (node["link"] >> 11 if narrow else node["delta"]).astype(np.int64)
            inner = delta != 0
            if not inner.any():
                break
            value = x[rows, feature & 0x7FFFFFFF]
            right = ~(value <= node["threshold"])
            if not narrow:
                sets = inner & (feature >= 0x80000000)
                for r in np.flatnonzero(sets):
                    code = int(value[r])
                    word = third[int(node["threshold"][r]) * 9 + code // 32]
                    right[r] = not (int(word) >> (code % 32)) & 1
            at = np.where(inner, at + delta + right, at)
        leaf = nodes[at]["threshold"]
        total = total + (third[leaf.view("<u4")] if narrow else leaf)
    return total[:, None], NO_ROW


def function(op: Any, parts: Any, v: Array) -> Any:
    x = v[:, parts[0]]
    names = {1: "expit", 2: "exp2", 3: "exp", 4: "log", 5: "log1p"}
    if int(op["flags"]) in names:
        name = names[int(op["flags"])]
        return np.vectorize(lambda one: _walk.math_function(name, one))(x), NO_ROW
    return (np.sqrt(x) if op["flags"] == 6 else np.abs(x)), NO_ROW


def softmax2(op: Any, parts: Any, v: Array) -> Any:
    a, b = v[:, parts[0][0]], v[:, parts[0][1]]
    largest = np.where(a > b, a, b)
    exp = np.vectorize(lambda one: _walk.math_function("exp", one))
    ea, eb = exp(a - largest), exp(b - largest)
    return (eb / (ea + eb))[:, None], NO_ROW


def same(x: Array, marker: Array) -> Array:
    return (x == marker) | (np.isnan(x) & np.isnan(marker))


OPERATIONS = {
    1: check,
    2: elementwise(lambda x, b: x + b),
    3: elementwise(lambda x, b: x - b),
    4: elementwise(lambda x, b: x * b),
    5: elementwise(lambda x, b: x / b),
    6: elementwise(lambda x, b: b - x),
    7: elementwise(lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x))),
    8: elementwise(lambda x, marker, value: np.where(same(x, marker), value, x)),
    9: elementwise(lambda x, marker: same(x, marker).astype(float)),
    10: lookup,
    11: onehot,
    12: bins,
    13: lambda op, parts, v: (v[:, parts[0]] * v[:, parts[1]], NO_ROW),
    14: lambda op, parts, v: (np.tile(parts[1], (len(v), 1)), NO_ROW),
    15: linear,
    16: trees,
    17: trees,
    18: sums,
    19: function,
    20: lambda op, parts, v: (np.interp(v[:, parts[0]], parts[1], parts[2]), NO_ROW),
    21: softmax2,
}
