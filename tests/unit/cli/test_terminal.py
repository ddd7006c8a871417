"""Colour only where it helps, trees and tables that line up, no tricks by control characters."""

from __future__ import annotations

from io import StringIO

import pytest

from fraud_operator.cli.terminal import Style, Tree, columns, printable, style_for


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_a_terminal_whose_user_wants_it(
    stream: StringIO, environ: dict[str, str], coloured: bool
) -> None:
    assert style_for(stream, environ).enabled is coloured


def test_colours_end_where_they_should() -> None:
    assert Style(True).bad("no") == "\x1b[31mno\x1b[0m"
    assert Style(False).bad("no") == "no"
    assert Style(True).bad("") == ""


def test_a_tree_keeps_its_lines_together() -> None:
    root = Tree("root")
    first = root.add("first\nmore of it")
    first.add("leaf")
    root.add("last\nmore of that")
    assert list(root.lines()) == [
        "root",
        "├─ first",
        "│  │  more of it",
        "│  └─ leaf",
        "└─ last",
        "      more of that",
    ]


def test_columns_line_up_by_what_is_seen() -> None:
    assert columns([("a", "b"), ("ccc", "d"), ("日", "e")]) == ["a    b", "ccc  d", "日   e"]
    assert columns([("a", "b"), ("much too long", "c")], most=3) == ["a    b", "much too long  c"]
    assert columns([]) == []


def test_what_an_object_says_does_not_steer_the_terminal() -> None:
    assert printable("\x1b[2Jgone\r\u202e\n") == "�[2Jgone��\n"
