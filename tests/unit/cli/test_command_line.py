"""What the command line takes, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_operator.cli.exits import Exit
from fraud_operator.cli.kubectl_fraud import _parser, main


@pytest.mark.parametrize(
    "arguments",
    [[], ["status"], ["plan"], ["status", "cards", "-o", "yaml"], ["dance"]],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_wrong_arguments_end_with_1_and_are_explained(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == Exit.ERROR
    said = capsys.readouterr()
    assert "usage: kubectl fraud" in said.err
    assert "error: " in said.err
    assert said.out == ""


@pytest.mark.parametrize("command", ["status", "plan", "doctor"])
def test_help_tells_the_exit_statuses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([command, "--help"])
    assert ending.value.code == Exit.OK
    said = capsys.readouterr().out
    assert f"usage: kubectl fraud {command}" in said
    assert "Exit status 0:" in said


def test_the_cluster_is_named_before_the_command_or_after_it() -> None:
    for arguments in (
        ["-n", "a", "--context", "b", "status", "cards"],
        ["status", "cards", "-n", "a", "--context", "b"],
        ["-n", "z", "status", "cards", "-n", "a", "--context", "b"],
    ):
        parsed = _parser().parse_args(arguments)
        assert (parsed.namespace, parsed.context, parsed.kubeconfig) == ("a", "b", "")


@pytest.mark.parametrize("name", ["", "fd/cards", "Cards", "caf\u00e9", "a" * 64, "..", "a\n"])
def test_what_no_detector_can_be_called_is_a_wrong_argument(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", name]) == Exit.ERROR
    assert "give the name alone" in capsys.readouterr().err


def test_no_cluster_is_an_error_and_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "cards", "--kubeconfig", str(tmp_path / "none")]) == Exit.ERROR
    said = capsys.readouterr()
    assert said.err.startswith("error: there is no kubeconfig at")
    assert said.out == ""
