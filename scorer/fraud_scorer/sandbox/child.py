"""The child's side: confine this process, then read the model file, compile it and end.

Run by run.py with the model file as standard input and the numbers of four open files: the request,
where to say what confines it, and where the result goes. The result is `+` and the compiled model,
or `-` and why there is none.
"""

from __future__ import annotations

import os
import resource
import sys

import msgspec

from fraud_scorer.artifact.manifest import Feature, Value


class Request(msgspec.Struct, frozen=True):
    """What is to be compiled, and within which limits."""

    features: list[Feature]
    reference: list[dict[str, Value]] | None
    accept_inexact: bool
    memory_bytes: int
    cpu_seconds: int
    result_bytes: int


def main(request_fd: int, confined_fd: int, result_fd: int) -> None:
    """Compile; the exit code is 0 wherever the result says anything."""
    # Before the limits and the filter: whatever imports libraries may need more than they do.
    from fraud_scorer.compile import Refused
    from fraud_scorer.publishing.compiling import compiled
    from fraud_scorer.publishing.fitted import Fitted, thaw
    from fraud_scorer.publishing.rows import rows
    from fraud_scorer.publishing.unfit import UnfitError
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
            fitted = Fitted(thaw(sys.stdin.buffer), request.features)
            reference = (
                rows("reference", request.reference, request.features)
                if request.reference is not None
                else None
            )
            data = compiled(fitted, request.features, reference, request.accept_inexact)
        except (UnfitError, Refused) as error:
            result.write(b"-" + str(error).encode(errors="replace"))
        except MemoryError:
            result.write(b"-it needs more memory than it may use")
        else:
            result.write(b"+" + data)


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
