"""What a run says at its end, in whichever process it came to light.

`make test` spreads tests over several processes (pytest-xdist), whose own last words nobody hears:
what they have to say travels to the one that prints the summary. tests/conftest.py has the hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SECTIONS: dict[str, list[str]] = {}
"""Title and lines of what this process has to say."""


def say(section: str, lines: Iterable[str]) -> None:
    """Have these lines printed after the run, below that title."""
    SECTIONS.setdefault(section, []).extend(lines)


def take_over(sections: Mapping[str, Iterable[str]]) -> None:
    """What another process had to say."""
    for section, lines in sections.items():
        say(section, lines)
