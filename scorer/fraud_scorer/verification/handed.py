"""What the compilation hands to judge, and reading it as what a hostile process may have written.

A link could lead to a secret of the reader's own, a pipe would keep it waiting, a sparse file would
fill its memory: only regular files directly in the folder are opened, and no more of them is read
than the caller allows.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

from fraud_scorer.artifact.manifest import Strict
from fraud_scorer.verification.refusal import Refusal

STATUS, MODEL, DRAFT = "status.json", "model.fdm", "draft.json"
"""The files in the folder; the status is written last."""

_CHUNK = 1 << 20


class Status(Strict, frozen=True):
    """How it went, by the word of whoever was in charge here by then."""

    outcome: Literal["Compiled", "Failed"]
    reason: Literal["CompileFailed", "TooLarge", "ScoresInvalid"] = "CompileFailed"
    message: str = ""


def read(folder: Path, name: str, *, limit: int) -> bytes | None:
    """The bytes of a file, or None where there is none. Raises Refusal for anything else."""
    descriptor = _opened(folder, name, limit)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(name, limit)
    return data


def copy(folder: Path, name: str, to: Path, *, limit: int) -> bool:
    """Copy a file out of the folder; whether there was one. Raises Refusal for anything else."""
    descriptor = _opened(folder, name, limit)
    if descriptor is None:
        return False
    with os.fdopen(descriptor, "rb") as file, to.open("xb") as copied:
        received = 0
        while chunk := file.read(_CHUNK):
            received += len(chunk)
            if received > limit:
                raise _too_large(name, limit)
            copied.write(chunk)
    return True


def _opened(folder: Path, name: str, limit: int) -> int | None:
    try:
        descriptor = os.open(
            folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except FileNotFoundError:
        return None
    except OSError:
        raise _not_a_file(name) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise _not_a_file(name)
    if found.st_size > limit:
        os.close(descriptor)
        raise _too_large(name, limit)
    return descriptor


def _not_a_file(name: str) -> Refusal:
    return Refusal(
        "CompileFailed",
        f"what was left as {name} by the compilation is no file: the model file does more than"
        " describe a model; find out where it comes from",
        expected="a file",
        actual="something else",
    )


def _too_large(name: str, limit: int) -> Refusal:
    return Refusal(
        "TooLarge", f"what was left as {name} by the compilation has more than {limit} bytes"
    )
