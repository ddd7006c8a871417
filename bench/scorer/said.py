"""Which line of what a program said tells why it failed."""

from __future__ import annotations

_LONGEST = 300


def why(said: str) -> str:
    """The last line that names an error, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line.partition(":")[0]]
    return (named or lines or ["it said nothing"])[-1][:_LONGEST]
