"""`fraud-scorer lists`: add, remove, show, and what is said of what is wrong."""

from __future__ import annotations

import json

import pytest

from fraud_scorer.cli.main import main

Output = pytest.CaptureFixture[str]


def test_from_the_first_word_to_the_last(dsn: str, capsys: Output) -> None:
    at = [f"--postgres={dsn}", "--by=ann"]
    deny = ["deny", "customer=c=17"]
    until = "2999-01-31T00:00:00Z"
    assert main(["lists", "add", *deny, "--reason=stolen", f"--expires={until}", *at]) == 0
    assert main(["lists", "add", "allow", "terminal=t-1", "--reason=ours", *at]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "customer=c=17 is on the deny list, until 2999-01-31T00:00:00+00:00",
        "terminal=t-1 is on the allow list, until it is removed",
    ]

    assert main(["lists", "show", *at]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["list"], one["id"], one["reason"], one["by"]) for one in shown] == [
        ("deny", "c=17", "stolen", "ann"),
        ("allow", "t-1", "ours", "ann"),
    ]
    for only, expected in (("--list=allow", "t-1"), ("--kind=customer", "c=17")):
        assert main(["lists", "show", only, *at]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == expected

    assert main(["lists", "remove", *deny, "--reason=replaced", *at]) == 0
    assert capsys.readouterr().out == "customer=c=17 is off the deny list\n"
    assert main(["lists", "show", "customer=c=17", *at]) == 0
    assert capsys.readouterr().out == ""
    assert main(["lists", "show", "customer=c=17", "--history", *at]) == 0
    said = [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["add", "remove"]
    assert main(["lists", "remove", *deny, "--reason=again", *at]) == 1
    assert "customer=c=17 is not on the deny list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["deny", "Customer=1", "--reason=x"], "this cannot be on a list: "),
        (["deny", "customer=1", "--reason="], "this cannot be on a list: "),
        (
            ["deny", "customer=1", "--reason=x", "--expires=2020-01-01T00:00:00Z"],
            "lies in the past",
        ),
        (["deny", "customer=1", "--reason=x", "--postgres=host=/nonexistent"], "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(given: list[str], message: str, dsn: str, capsys: Output) -> None:
    assert main(["lists", "add", f"--postgres={dsn}", *given]) == 1
    assert message in capsys.readouterr().err
    assert main(["lists", "show", f"--postgres={dsn}"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "given", [["deny", "customer", "--reason=x"], ["grey", "customer=1", "--reason=x"]]
)
def test_what_is_no_entity_or_list_is_a_wrong_usage(given: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lists", "add", *given])
