"""Opening a compiled model and asking it for scores and reasons.

The file is mapped, not read: processes share its pages, and it must never be rewritten in place
(publish under a new name instead). Everything that scoring follows is checked when it is opened.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fraud_scorer.engine import _walk
from fraud_scorer.engine.errors import FormatError, RowError
from fraud_scorer.engine.header import Header, Input, decode

Value = float | int | str | None
Row = Mapping[str, Value] | Sequence[Value]

_FIXED_HEADER = struct.Struct("<8sIIQII32s")


class Reason(NamedTuple):
    """What one input contributed, in the unit `Header.explained`; positive raises the score."""

    feature: str
    contribution: float


class Model:
    """A compiled model. Its methods may be called from several threads; they hold the GIL except
    for batches of 256 rows and more."""

    __slots__ = ("_core", "digest", "header", "inputs", "score_matrix", "score_one", "score_rows")

    def __init__(self, core: _walk.Model, header: Header, digest: str) -> None:
        self._core = core
        self.header = header
        self.digest = digest
        """`sha256:` and the hex digest of the file's content behind its fixed header."""
        self.inputs: tuple[Input, ...] = header.inputs
        self.score_one = core.score_one
        """score_one(row) -> float. The row is a dict by name or a tuple or list in the order of
        `inputs`: numbers, strings for categories, None for missing. Raises RowError."""
        self.score_rows = core.score_rows
        """score_rows(rows) -> list[float], bit for bit what score_one gives. NaN marks a row that
        has no score; score_one of that row says why."""
        self.score_matrix = core.score_matrix
        """score_matrix(matrix, out): the same from a contiguous buffer of float64 (rows x inputs,
        categories by their position in `Input.categories`, -1 unknown, NaN missing) into one."""

    @property
    def explains(self) -> bool:
        """Whether the model carries the reference that reasons need."""
        return self._core.explains

    def explain(self, row: Row, top: int) -> tuple[Reason, ...]:
        """The `top` inputs that moved this row's score most away from the reference, largest first.

        All contributions together are `explained_value(row) - reference_value`. Inputs without any
        are left out. Raises RowError as score_one does, ValueError where `explains` is false.
        """
        return tuple(Reason(*pair) for pair in self._core.explain(row, top))

    def explained_value(self, row: Row) -> float:
        """The quantity that reasons add up to, in the unit `header.explained`."""
        return self._core.trace(row)[self._core.shape[3]]

    @property
    def reference_value(self) -> float:
        """The explained quantity at the reference."""
        return self._core.reference()[self._core.shape[3]]

    def trace(self, row: Row) -> list[float]:
        """Every intermediate value for a row, as docs/fdm.md numbers them: for tests and tools."""
        return self._core.trace(row)


def load(source: str | Path | bytes, *, verify: bool = True) -> Model:
    """Open a compiled model from a path (mapped into memory) or from bytes.

    `verify=False` skips comparing the content with the digest inside the file, for callers that
    have hashed the file already; every structural check is made all the same. Raises FormatError,
    or OSError where the file cannot be read.
    """
    data = _aligned(source) if isinstance(source, bytes) else _map(Path(source))
    try:
        core = _walk.Model(data)
    except ValueError as error:
        raise FormatError(str(error)) from None
    digest: bytes = _FIXED_HEADER.unpack_from(data)[-1]
    if verify and hashlib.sha256(memoryview(data)[_FIXED_HEADER.size :]).digest() != digest:
        raise FormatError("the content does not match the digest in the file: it is damaged")
    header = decode(core.header)
    try:
        core.bind(
            tuple(one.name for one in header.inputs),
            tuple(_codes(one) for one in header.inputs),
            bytes(one.nullable for one in header.inputs),
            RowError,
        )
    except ValueError as error:
        raise FormatError(f"the header and the program disagree: {error}") from None
    return Model(core, header, f"sha256:{digest.hex()}")


def _map(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _aligned(data: bytes) -> mmap.mmap | bytes:
    """A copy that begins on a page: nodes are laid out by cache lines."""
    if not data:
        return data
    pages = mmap.mmap(-1, len(data))
    pages.write(data)
    return pages


def _codes(one: Input) -> dict[str, float] | None:
    if one.type == "number":
        return None
    return {name: float(code) for code, name in enumerate(one.categories)}
