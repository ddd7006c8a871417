"""The parent's side: start the child, wait for it, and take from it nothing but data."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from fraud_scorer import engine
from fraud_scorer.artifact.manifest import Feature, Value
from fraud_scorer.engine import FormatError, Model
from fraud_scorer.sandbox import draft as drafts
from fraud_scorer.sandbox import seccomp
from fraud_scorer.sandbox.child import COMPILED, LENGTH, Failure, Request
from fraud_scorer.sandbox.draft import Draft

Reason = Literal["CompileFailed", "TooLarge", "ScoresInvalid"]

_TOLD_EVERY = 5.0
_LAST_WORDS = 2000

# One thread: what computes with several allocates for each, and the filter allows no further one.
_ENVIRONMENT = {
    "PATH": os.defpath,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


LEAST_MEMORY = 512 << 20
"""Below this the child cannot even tell why it fails."""


class CompileError(Exception):
    """There is no compiled model; the message says why and what to do.

    `reason` says what is wrong with the file. It is None where that is not known: where the child
    was not given the memory or the time that it may take, or could not be confined.
    """

    def __init__(self, message: str, reason: Reason | None = "CompileFailed") -> None:
        super().__init__(message)
        self.reason: Reason | None = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What the child may take. `seconds` are those that the parent waits."""

    memory_bytes: int = 4 << 30
    cpu_seconds: int = 600
    seconds: float = 900.0
    result_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled model, opened and checked, and what confined its making. `draft` describes it
    where nobody did; it is what the file itself says."""

    data: bytes
    model: Model
    draft: Draft | None
    confined_by: tuple[str, ...]
    seconds: float


def compile_file(
    path: Path,
    features: Sequence[Feature] | None,
    *,
    reference: Sequence[Mapping[str, Value]] | None = None,
    accept_inexact: bool = False,
    limits: Limits | None = None,
    progress: Callable[[str], None] | None = None,
) -> Compiled:
    """Compile the joblib or pickle file at `path` in a child process.

    Without `features` they are found out of the file. That takes the filter of system calls: where
    nobody vouches for it, limits alone are not enough.

    Raises CompileError, and OSError where the file cannot be read.
    """
    limits = limits or Limits()
    if features is None and not seccomp.available():
        raise CompileError(
            "this machine has no filter of system calls for a file that nobody vouches for: run"
            " this on Linux, on x86-64 or ARM64",
            None,
        )
    request = Request(
        features=None if features is None else list(features),
        reference=None if reference is None else [dict(row) for row in reference],
        accept_inexact=accept_inexact,
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        result_bytes=limits.result_bytes,
    )
    began = time.monotonic()
    with (
        path.open("rb") as source,
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as result,
        tempfile.TemporaryFile() as words,
    ):
        asked.write(msgspec.json.encode(request))
        asked.seek(0)
        confined = _run(source, asked, result, words, limits, progress or (lambda _: None))
        result.seek(0)
        answer = result.read()
    description, data = _parts(answer)
    try:
        model = engine.load(data)
        draft = drafts.decode(description) if features is None else None
    except (FormatError, ValueError) as error:
        raise CompileError(f"what came out is no compiled model: {error}") from error
    return Compiled(data, model, draft, confined, time.monotonic() - began)


def _parts(answer: bytes) -> tuple[bytes, bytes]:
    """The description and the compiled model, out of what the child left."""
    if answer[:1] != COMPILED:
        try:
            failure = msgspec.json.decode(answer[1:], type=Failure)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CompileError("it ended without a word") from None
        raise CompileError(failure.message, failure.reason)
    body = answer[1:]
    length = int.from_bytes(body[: LENGTH.size], "big")
    return body[LENGTH.size : LENGTH.size + length], body[LENGTH.size + length :]


def _run(
    source: IO[bytes],
    asked: IO[bytes],
    result: IO[bytes],
    words: IO[bytes],
    limits: Limits,
    progress: Callable[[str], None],
) -> tuple[str, ...]:
    """Run the child to its end; what confined it, as it said before it read the file."""
    told, tell = os.pipe()
    before = _cpu_seconds()
    with os.fdopen(told, "rb") as saying:
        try:
            passed = (asked.fileno(), tell, result.fileno())
            child = subprocess.Popen(
                [sys.executable, "-I", "-m", "fraud_scorer.sandbox.child", *map(str, passed)],
                stdin=source,
                stdout=words,
                stderr=words,
                pass_fds=passed,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(tell)
        try:
            code = _wait(child, limits, progress)
        finally:
            child.kill()
            child.wait()
        said = saying.read(100).decode(errors="replace")
    if code != 0:
        raise _how_it_ended(code, limits, words, ran=bool(said), seconds=_cpu_seconds() - before)
    return tuple(said.split(","))


def _wait(child: subprocess.Popen[bytes], limits: Limits, progress: Callable[[str], None]) -> int:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < limits.seconds:
        try:
            return child.wait(min(_TOLD_EVERY, limits.seconds - passed))
        except subprocess.TimeoutExpired:
            progress(f"still compiling after {time.monotonic() - began:.0f} s")
    raise CompileError(f"it was not done after {limits.seconds:g} s: give it more time", None)


def _how_it_ended(
    code: int, limits: Limits, words: Any, *, ran: bool, seconds: float
) -> CompileError:
    """Why the child ended badly; `ran` is whether it came as far as to read the file."""
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - _LAST_WORDS))
    lines = words.read().decode(errors="replace").strip().splitlines()
    last = "".join(c for c in (lines[-1] if lines else "") if c.isprintable())
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        if seconds >= limits.cpu_seconds - 1:
            return CompileError(f"it took more than {limits.cpu_seconds} s of CPU time")
        return CompileError("it was killed: the machine has not the memory that it took", None)
    if code < 0:
        return CompileError(f"it was ended by {signal.Signals(-code).name}")
    message = f"it failed: {last}" if last else f"it failed with exit code {code}"
    return CompileError(message, "CompileFailed" if ran else None)


def _cpu_seconds() -> float:
    """Of all children of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
