"""A small file system of its own for Postgres, so that its disk can be full without this machine's.

Needs root, as mounting does; without it there is a plain folder, and the fault cannot be played.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BYTES = 1 << 30
_FILLER = "filler"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileSystem:
    """A folder; `bounded` where it is a file system of its own."""

    folder: Path
    bounded: bool

    def fill(self) -> None:
        """Leave not a byte."""
        assert self.bounded
        with (self.folder / _FILLER).open("wb") as file:
            size = _CHUNK
            while size:
                try:
                    os.write(file.fileno(), bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Undo `fill`."""
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextmanager
def file_system() -> Iterator[FileSystem]:
    """In memory; gone afterwards with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="fraudops-chaos-"))
    mounted = os.geteuid() == 0 and not _run(
        "mount", "-t", "tmpfs", "-o", f"size={_BYTES},mode=0755", "fraudops-chaos", str(folder)
    )
    try:
        yield FileSystem(folder, mounted)
    finally:
        if mounted and _run("umount", str(folder)):
            _run("umount", "--lazy", str(folder))
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode
