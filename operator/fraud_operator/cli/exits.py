"""Exit statuses of `kubectl fraud`. docs/kubectl-fraud.md tells users the same."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a script can go by."""

    OK = 0
    """status: Ready. plan: nothing would change. doctor: nothing failed."""
    ERROR = 1
    """Wrong arguments, no access, or an answer that cannot be had; for plan also: a resource that
    is refused, or that the operator could not act upon."""
    FOUND = 2
    """plan: something would change. doctor: something failed."""
    NOT_READY = 3
    """status: not Ready yet, or suspended."""
    STALLED = 4
    """status: not Ready, and a person has to act."""
    NOT_FOUND = 5
    """status: there is no such detector."""


class Failure(Exception):
    """What a command could not do; the message says what to do next."""

    def __init__(self, message: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.code = code
