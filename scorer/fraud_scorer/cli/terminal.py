"""What every command says in the same way."""

from __future__ import annotations

import sys

FAILED, USAGE = 1, 2
"""Exit codes."""


def say(what: str) -> None:
    """Tell whoever waits what is being done; standard output is for results."""
    print(f"{what} ...", file=sys.stderr, flush=True)


def fail(message: str, code: int = FAILED) -> int:
    """Say why there is no result, and return the exit code."""
    print(f"fraud-scorer: {message}", file=sys.stderr)
    return code
