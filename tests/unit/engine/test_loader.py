"""Files that lie are refused when they are opened, by name of what is wrong."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraud_scorer.compile import compile_model
from fraud_scorer.engine import FormatError, load
from tests.unit.engine import oracle
from tests.unit.engine.catalogue import BY_NAME, fitted, table
from tests.unit.engine.comparing import compiled_bytes

FIXED = struct.Struct("<8sIIQII32s")
ENTRY = struct.Struct("<IIQQ")


def seal(data: bytearray) -> bytes:
    """The same bytes with a digest that fits: a forger can make one too."""
    data[32:64] = hashlib.sha256(data[64:]).digest()
    return bytes(data)


class Editor:
    """One file, taken apart for a single change."""

    def __init__(self, name: str) -> None:
        self.data = bytearray(compiled_bytes(BY_NAME[name]))
        self.file = oracle.parse(bytes(self.data))

    def entry(self, section: int) -> tuple[int, int, int]:
        """(place of the entry, offset, count)"""
        at = FIXED.size + ENTRY.size * section
        _, _, offset, count = ENTRY.unpack_from(self.data, at)
        return at, offset, count

    def poke(self, section: int, index: int, dtype: Any, **fields: Any) -> bytes:
        """Change one element of a section; `value` is the whole of a plain one."""
        _, offset, count = self.entry(section)
        array = np.frombuffer(self.data, dtype, count, offset).copy()
        if "value" in fields:
            array[index] = fields["value"]
        else:
            for name, value in fields.items():
                array[name][index] = value
        self.data[offset : offset + array.nbytes] = array.tobytes()
        return seal(self.data)

    def op(self, code: int) -> tuple[int, Any]:
        """(place in the program, record) of the first operation with this code."""
        for i, record in enumerate(self.file.sections[1]):
            if record["code"] == code:
                return i, record
        raise AssertionError(f"no operation {code}")

    def header(self, change: Callable[[dict[str, Any]], None]) -> bytes:
        """Change the JSON header in place, padded with blanks."""
        start = FIXED.size + ENTRY.size * len(self.file.sections)
        size = FIXED.unpack_from(self.data)[2]
        header = json.loads(self.data[start : start + size])
        change(header)
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(text) == size
        self.data[start : start + size] = text
        return seal(self.data)


def refused(data: bytes, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        load(data)


def test_every_truncation() -> None:
    data = compiled_bytes(BY_NAME["tree-stump"])
    for size in range(len(data)):
        with pytest.raises(FormatError):
            load(data[:size])
        with pytest.raises(FormatError):
            load(seal(bytearray(data[:size]).ljust(64, b"\0")), verify=False)


def test_more_bytes_than_it_says() -> None:
    refused(compiled_bytes(BY_NAME["tree"]) + b"\0", "length is wrong")


@pytest.mark.parametrize(
    ("offset", "bytes_", "problem"),
    [
        (0, b"PK\x03\x04", "magic"),
        (8, b"\x02\0\0\0", "format version"),
        (12, b"\xff\xff\xff\x7f", "past the end"),
        (16, b"\0\0\0\0\0\0\0\x7f", "length is wrong"),
        (24, b"\0\0\0\0", "number of sections"),
        (24, b"\xff\xff\xff\xff", "number of sections"),
        (24, b"\xff\xff\x03\0", "past the end"),
        (28, b"\1\0\0\0", "reserved"),
    ],
)
def test_fixed_header(offset: int, bytes_: bytes, problem: str) -> None:
    data = bytearray(compiled_bytes(BY_NAME["tree"]))
    data[offset : offset + len(bytes_)] = bytes_
    refused(seal(data), problem)


def test_a_flipped_bit_anywhere_breaks_the_digest() -> None:
    good = compiled_bytes(BY_NAME["tree"])
    for at in range(64, len(good), 97):
        data = bytearray(good)
        data[at] ^= 0x10
        with pytest.raises(FormatError):
            load(bytes(data))


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (0, 9, "unknown type"),
        (1, 1, "reserved"),
        (2, 1 << 40, "overlaps another or lies outside"),
        (2, (1 << 64) - 64, "overlaps another or lies outside"),
        (2, 4097, "not aligned"),
        (2, 0, "overlaps another or lies outside"),
        (3, 1 << 60, "past the end"),
        (3, (1 << 64) - 1, "past the end"),
    ],
)
def test_table_of_sections(field: int, value: int, problem: str) -> None:
    editor = Editor("forest")
    at, _, _ = editor.entry(5)
    entry = list(ENTRY.unpack_from(editor.data, at))
    entry[field] = value
    ENTRY.pack_into(editor.data, at, *entry)
    refused(seal(editor.data), problem)


@pytest.mark.parametrize(
    ("index", "value", "problem"),
    [
        (0, 0, "number of inputs"),
        (0, 1 << 31, "number of inputs"),
        (1, 1 << 31, "number of slots"),
        (1, 7, "number of slots"),
        (2, 1000, "no slot"),
        (3, 1000, "no slot"),
        (0, 7, "owned by an input"),
    ],
)
def test_meta(index: int, value: int, problem: str) -> None:
    refused(Editor("standard").poke(0, index, "<u4", value=value), problem)


def test_owner_out_of_range() -> None:
    refused(Editor("standard").poke(2, 3, "<u4", value=8), "owned by an input")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"code": 0}, "unknown operation"),
        ({"code": 22}, "unknown operation"),
        ({"n": 9}, "wrong length"),
        ({"n": 1 << 30}, "too many columns"),
        ({"dst": 3}, "next slots"),
        ({"dst": 1 << 31}, "next slots"),
        ({"sec": [999] * 5}, "not there"),
        ({"sec": [1, 1, 1, 1, 1]}, "another type"),
        ({"k": np.nan}, "NaN"),
    ],
)
def test_operation(fields: dict[str, Any], problem: str) -> None:
    editor = Editor("standard")
    at, _ = editor.op(3)
    refused(editor.poke(1, at, oracle.TYPES[5], **fields), problem)


def test_reading_ahead() -> None:
    editor = Editor("standard")
    _, record = editor.op(3)
    refused(editor.poke(int(record["sec"][0]), 0, "<u4", value=8), "not written yet")


def test_nan_where_none_belongs() -> None:
    editor = Editor("standard")
    _, record = editor.op(5)
    refused(editor.poke(int(record["sec"][1]), 2, "<f8", value=np.nan), "hold NaN")


def test_unordered_tables() -> None:
    editor = Editor("bins-ordinal")
    _, record = editor.op(12)
    section = int(record["sec"][1])
    refused(editor.poke(section, 0, "<f8", value=1e300), "not in order")


def narrow(
    fields: Callable[[Any, int], dict[str, Any]], problem: str, *, leaf: bool = False
) -> None:
    editor = Editor("forest")
    _, record = editor.op(16)
    nodes = editor.file.sections[record["sec"][1]]
    inner = (nodes["link"] >> 11) != 0
    at = int(np.flatnonzero(~inner if leaf else inner)[2])
    refused(
        editor.poke(int(record["sec"][1]), at, oracle.TYPES[3], **fields(nodes[at], len(nodes))),
        problem,
    )


def test_a_child_outside_of_its_tree() -> None:
    narrow(lambda node, n: {"link": (n << 11) | 1}, "outside of its tree")


def test_a_node_with_two_parents() -> None:
    editor = Editor("forest")
    _, record = editor.op(16)
    nodes = editor.file.sections[record["sec"][1]]
    root, below = np.flatnonzero((nodes["link"] >> 11) != 0)[:2]
    delta = int(below - root + (nodes["link"][below] >> 11))
    link = (delta << 11) | int(nodes["link"][root] & 0x7FF)
    data = editor.poke(int(record["sec"][1]), int(root), oracle.TYPES[3], link=link)
    refused(data, "two parents")


def test_a_loop_cannot_be_written() -> None:
    """Children lie behind their parents by construction: an offset is never negative, and an offset
    of zero is a leaf, which reads no feature."""
    narrow(lambda node, n: {"link": int(node["link"]) & 0x7FF}, "leaf")


def test_a_feature_that_is_not_there() -> None:
    narrow(lambda node, n: {"link": int(node["link"]) | 0x7FF}, "feature that is not there")
    narrow(lambda node, n: {"link": int(node["link"]) & ~0x7FF}, "feature that is not there")


def test_a_nan_threshold() -> None:
    narrow(lambda node, n: {"threshold": np.nan}, "threshold is NaN")


def test_a_leaf_without_a_value() -> None:
    worth = np.array([0x7F7FFFFF], dtype="<u4").view("<f4")[0]
    narrow(lambda node, n: {"threshold": worth}, "out of range", leaf=True)


def test_trees_out_of_order() -> None:
    editor = Editor("forest")
    _, record = editor.op(16)
    section = int(record["sec"][3])
    refused(editor.poke(section, 1, "<u4", value=0), "not in order")
    editor = Editor("forest")
    last = len(editor.file.sections[section]) - 1
    refused(editor.poke(section, last, "<u4", value=1 << 30), "past its nodes")


def wide(name: str, fields: dict[str, Any], problem: str, *, category: bool = False) -> None:
    editor = Editor(name)
    _, record = editor.op(17)
    nodes = editor.file.sections[record["sec"][1]]
    is_set = nodes["feature"] >= 0x80000000
    at = int(np.flatnonzero((nodes["delta"] != 0) & (is_set == category))[1])
    refused(editor.poke(int(record["sec"][1]), at, oracle.TYPES[4], **fields), problem)


def test_wide_nodes() -> None:
    wide("hist", {"delta": 0xFFFFFFFF}, "outside of its tree")
    wide("hist", {"feature": 0x7FFF}, "feature that is not there")
    wide("hist", {"feature": 0x80000001}, "category set")
    wide("hist", {"threshold": np.nan}, "NaN")
    wide("hist-categories", {"threshold": 1e9}, "out of range", category=True)
    wide("hist-categories", {"threshold": 0.5}, "out of range", category=True)
    wide("hist-categories", {"threshold": -1.0}, "out of range", category=True)
    wide("hist-categories", {"feature": 0x80000000}, "column that is none", category=True)


def test_header() -> None:
    def rename(header: dict[str, Any]) -> None:
        header["inputs"][0]["name"] = header["inputs"][1]["name"]

    def drop(header: dict[str, Any]) -> None:
        header["inputs"].pop()

    def unknown(header: dict[str, Any]) -> None:
        header["inputs"].pop()
        header["x"] = 1

    refused(Editor("tree").header(rename), "names an input twice")
    refused(Editor("tree").header(drop), "header and the program disagree")
    refused(Editor("tree").header(unknown), "not what it should be")


def test_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "model.fdm"
    data = compiled_bytes(BY_NAME["forest"])
    path.write_bytes(data)
    assert load(path).digest == load(data).digest == f"sha256:{data[32:64].hex()}"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="shorter"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.fdm")


def test_a_reference_row_that_the_model_refuses() -> None:
    train = table("numbers")
    editor = Editor("logistic")
    editor.data = bytearray(compile_model(fitted("logistic"), train.specs, reference=train.frame))
    refused(editor.poke(3, 0, "<f8", value=np.inf), "refuses its own reference row")
