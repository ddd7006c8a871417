"""The child's side: confine this process, then read the model file, compile it and end.

Run by run.py with the model file as standard input and the numbers of four open files: the request,
where to say what confines it, and where the result goes. The result is the description of the model
(empty where it was given), and the compiled model; or a Failure.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from typing import Literal

import msgspec

from fraud_scorer.artifact.manifest import Feature, Value

COMPILED, FAILED = b"+", b"-"
"""How a result begins."""
LENGTH = struct.Struct(">Q")
"""Of the description, which comes next."""


class Request(msgspec.Struct, frozen=True):
    """What is to be compiled, and within which limits. Without features, it is to be described."""

    features: list[Feature] | None
    reference: list[dict[str, Value]] | None
    accept_inexact: bool
    memory_bytes: int
    cpu_seconds: int
    result_bytes: int


class Failure(msgspec.Struct, frozen=True):
    """Why there is no compiled model."""

    reason: Literal["CompileFailed", "TooLarge", "ScoresInvalid"]
    message: str


def main(request_fd: int, confined_fd: int, result_fd: int) -> None:
    """Compile; the exit code is 0 wherever the result says anything."""
    # Before the limits and the filter: whatever imports libraries may need more than they do.
    from fraud_scorer.compile import Refused
    from fraud_scorer.publishing.bare import describe
    from fraud_scorer.publishing.compiling import compiled
    from fraud_scorer.publishing.fitted import Fitted, thaw
    from fraud_scorer.publishing.rows import rows
    from fraud_scorer.publishing.unfit import NoProbabilityError, UnfitError
    from fraud_scorer.sandbox import seccomp

    with os.fdopen(request_fd, "rb") as file:
        request = msgspec.json.decode(file.read(), type=Request)
    _limit(request)
    confined = "limits"
    if seccomp.available():
        seccomp.confine()
        confined = "limits,seccomp"
    os.write(confined_fd, confined.encode())
    os.close(confined_fd)

    with os.fdopen(result_fd, "wb") as result:
        try:
            estimator = thaw(sys.stdin.buffer)
            if request.features is None:
                draft, data = describe(estimator)
                description = msgspec.json.encode(draft)
            else:
                fitted = Fitted(estimator, request.features)
                reference = (
                    rows("reference", request.reference, request.features)
                    if request.reference is not None
                    else None
                )
                data = compiled(fitted, request.features, reference, request.accept_inexact)
                description = b""
        except NoProbabilityError as error:
            failure = Failure("ScoresInvalid", str(error))
        except (UnfitError, Refused) as error:
            failure = Failure("CompileFailed", str(error))
        except MemoryError:
            failure = Failure("TooLarge", "it needs more memory than it may use")
        else:
            result.write(COMPILED + LENGTH.pack(len(description)) + description + data)
            return
        result.write(FAILED + msgspec.json.encode(failure))


def _limit(request: Request) -> None:
    for what, most in (
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_CPU, request.cpu_seconds),
        (resource.RLIMIT_FSIZE, request.result_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
