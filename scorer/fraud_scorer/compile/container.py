"""The file itself: sections, table and fixed header, as docs/fdm.md describes them."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.engine import _walk

MAGIC: Final = b"\x89FDM\r\n\x1a\n"
NONE: Final = 0xFFFFFFFF
_ALIGN: Final = 64
_FIXED: Final = struct.Struct("<8sIIQII32s")
_ENTRY: Final = struct.Struct("<IIQQ")

NODE8: Final = np.dtype([("threshold", "<f4"), ("link", "<u4")])
NODE16: Final = np.dtype([("threshold", "<f8"), ("feature", "<u4"), ("delta", "<u4")])
OP: Final = np.dtype(
    [
        ("code", "<u2"),
        ("flags", "<u2"),
        ("n", "<u4"),
        ("dst", "<u4"),
        ("section", "<u4", 5),
        ("k", "<f8"),
    ]
)
_TYPES: Final = {
    np.dtype("<f8"): 1,
    np.dtype("<u4"): 2,
    NODE8: 3,
    NODE16: 4,
    OP: 5,
}
FIRST_FREE: Final = 4
"""Sections before this one have a fixed meaning: meta, program, owners, reference."""


@dataclass
class Sections:
    """The arrays that operations refer to by number; equal small ones are kept once."""

    arrays: list[NDArray[Any]] = field(default_factory=list)
    _seen: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def add(self, array: NDArray[Any]) -> int:
        """The number of the section that holds `array`, one of the five types of the format."""
        content = np.ascontiguousarray(array)
        if content.dtype not in _TYPES:
            raise TypeError(f"no section holds {content.dtype}")
        if content.nbytes <= 1 << 16:
            key = (str(content.dtype), content.tobytes())
            if key in self._seen:
                return self._seen[key]
            self._seen[key] = FIRST_FREE + len(self.arrays)
        self.arrays.append(content)
        return FIRST_FREE + len(self.arrays) - 1


def assemble(header: bytes, arrays: list[NDArray[Any]]) -> bytes:
    """The file of these sections, the first four included."""
    body = _FIXED.size + _ENTRY.size * len(arrays) + len(header)
    table, parts, position = [], [], body
    for array in arrays:
        padding = -position % _ALIGN
        position += padding
        table.append(_ENTRY.pack(_TYPES[array.dtype], 0, position, array.size))
        parts += [bytes(padding), array.tobytes()]
        position += array.nbytes
    content = b"".join([*table, header, *parts])
    digest = hashlib.sha256(content).digest()
    fixed = _FIXED.pack(MAGIC, _walk.FORMAT_VERSION, len(header), position, len(arrays), 0, digest)
    return fixed + content
