"""The folder in which a pod keeps the files of the revisions that it holds, by their digests.

It may outlive the process, and be damaged meanwhile: what was there at the start is hashed before
it is used. Files appear whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from fraud_scorer.artifact.digest import sha256_file

_ARRIVING = "arriving-"


class Blobs:
    """The files. Its methods may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder cannot be made."""
        self._folder = folder
        self._proven: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_ARRIVING}*"):
            shutil.rmtree(left, ignore_errors=True)

    def path(self, sha256: str) -> Path:
        """Where the file with that digest is, or would be."""
        return self._folder / sha256

    def has(self, sha256: str) -> bool:
        """Whether it is there, and as it must be."""
        path = self.path(sha256)
        if not path.is_file():
            return False
        if sha256 not in self._proven:
            if sha256_file(path)[0] != sha256:
                path.unlink(missing_ok=True)
                return False
            self._proven.add(sha256)
        return True

    def take(self, sha256: str, fetch: Callable[[Path], None]) -> None:
        """Let `fetch` write the file to a path of its own; it checks the digest, and raises where
        the bytes are others."""
        with tempfile.TemporaryDirectory(prefix=_ARRIVING, dir=self._folder) as arriving:
            fetch(Path(arriving) / sha256)
            (Path(arriving) / sha256).replace(self.path(sha256))
        self._proven.add(sha256)

    def doubt(self, sha256: str) -> None:
        """Hash the file again before it is used again."""
        self._proven.discard(sha256)

    def keep_only(self, digests: Collection[str]) -> None:
        """Delete every other file."""
        for path in self._folder.iterdir():
            if path.is_file() and path.name not in digests:
                path.unlink(missing_ok=True)
                self._proven.discard(path.name)
