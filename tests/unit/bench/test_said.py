"""A table has room for one line of a traceback."""

from __future__ import annotations

import pytest

from bench.scorer.said import why


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Traceback:\n  File x\nValueError: no such node {'a': 1,\n 'b': 2}\n", "ValueError: no"),
        ("lib.Error: first\nlib.OtherError: second\n", "lib.OtherError: second"),
        ("starting\nport is taken\n\n", "port is taken"),
        ("", "it said nothing"),
    ],
)
def test_the_line_that_says_why(said: str, reason: str) -> None:
    assert why(said).startswith(reason)
