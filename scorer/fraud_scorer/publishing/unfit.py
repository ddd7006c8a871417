"""The one way in which publishing says no."""

from __future__ import annotations


class UnfitError(ValueError):
    """The model cannot be served as described; the message says what to change."""


class NoProbabilityError(UnfitError):
    """The model itself gives scores that are none."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's code says, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
