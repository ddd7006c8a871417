"""Arrays that take long to make, made once: $FRAUDOPS_CACHE/data, or ~/.cache/fraudops/data.

They belong to what they were made of and to the code that made them: a change of either makes
them anew. Of each kind the newest two stay.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
_KEPT = 2


def load(
    kind: str, of: bytes, code: Iterable[Path], make: Callable[[], Columns], cache: Path | None
) -> Columns:
    """What `make` gives, from the cache or into it. `of` stands for what it makes it of."""
    digest = hashlib.sha256(of)
    for path in code:
        digest.update(path.read_bytes())
    path = (cache or folder()) / f"{kind}-{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        _store(path, kind, make())
    with np.load(path, allow_pickle=False) as columns:
        return dict(columns)


def folder() -> Path:
    """Where data sets are kept."""
    root = os.environ.get("FRAUDOPS_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "fraudops") / "data"


def _store(path: Path, kind: str, columns: Columns) -> None:
    """Write it whole or not at all, also where two processes do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
        partial = Path(file.name)
        try:
            np.savez(file, allow_pickle=False, **columns)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    newest = sorted(path.parent.glob(f"{kind}-*.npz"), key=lambda one: -one.stat().st_mtime)
    for old in newest[_KEPT:]:
        old.unlink(missing_ok=True)
