"""Options of `serve` that would not be heeded are refused, with what to do."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from fraud_operator.api.scoring import MOST_APPROVED
from fraud_scorer.cli import serve_records
from fraud_scorer.decisions.random_approvals import MOST_SHARE


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--log-level", default="info")
    serve_records.add_arguments(parser)
    return parser.parse_args(arguments)


DRAWS = ("--random-approvals=0.01", "--random-approvals-max=5")
RECORDS = ("--records=spool", "--postgres=secret")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--features-ttl=60"], "--redis"),
        (["--history-connections=1", "--redis=r"], "--postgres"),
        (["--history-timeout=1", "--redis=r"], "--postgres"),
        (["--redis-timeout=1"], "--redis"),
        (["--lookup-connections=1"], "--postgres"),
        (["--records=spool"], "--postgres"),
        (["--durability=Async"], "--records"),
        (["--when-full=block"], "--records"),
        (["--records-limit=1Gi"], "--records"),
        (["--spill-after=3"], "--records"),
        (["--ship-grace=3"], "--records"),
        (["--archive=file"], "--records"),
        (["--seal-key=file"], "--archive"),
        ([*RECORDS, "--archive-credentials=dir"], "--archive"),
        ([*RECORDS, "--archive-retention=7y"], "--archive"),
        ([*RECORDS, "--archive=nothing", "--seal-key=k"], "is no file"),
        ([*RECORDS, f"--archive={__file__}"], "--seal-key"),
        (
            [*RECORDS, f"--archive={__file__}", "--seal-key=k", "--archive-retention=no/file"],
            "--archive-retention: 'no/file' is not like 90d or 7y",
        ),
        ([*RECORDS, "--records-limit=16Mi", "--processes=2"], "too small"),
        (["--subject=customer", "--data=none"], "--records"),
        (["--subject=customer", "--plan=p"], "--records"),
        (["--data=file", "--plan=p"], "--data is for a MODEL"),
        (["--data=file", "--redis=r"], "--redis"),
        (["--data=file", *RECORDS], "--postgres"),
        (["--processes=2"], "--data none"),
        (["--processes=2", "--data=file"], "--redis and --postgres"),
        (["--lists"], "--postgres"),
        (["--lists", "--postgres=s", "--lookup-connections=0"], "--lookup-connections"),
        (["--random-approvals-max=5"], "--random-approvals"),
        (["--random-approvals=0.01", "--random-approvals-max=5"], "--random-approvals-key"),
        (["--random-approvals=0.01", "--random-approvals-key=k"], "--random-approvals-max"),
        ([*DRAWS, "--random-approvals-key=nothing"], "nothing"),
        ([*DRAWS, "--random-approvals-key=/dev/null"], "at least 32"),
    ],
)
def test_what_would_not_be_heeded_is_refused(arguments: list[str], said: str) -> None:
    assert said in serve_records.contradiction(parsed(*arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--redis=r"],
        RECORDS,
        [*RECORDS, "--redis=r", "--durability=Committed", "--lists"],
        ["--random-approvals=0"],
        ["--random-approvals=0.00", "--random-approvals-max=5", "--random-approvals-key=nothing"],
    ],
)
def test_what_fits_together_is_taken(arguments: list[str]) -> None:
    assert serve_records.contradiction(parsed(*arguments)) == ""


def test_what_ships_is_told_all_of_it() -> None:
    told = serve_records.shipping(parsed(*RECORDS, "--subject=account", "--ship-grace=7"))
    assert told[0] == "ship"
    assert {"--spool=spool", "--postgres=secret", "--subject=account", "--grace=7"} <= set(told)
    assert serve_records.shipping(parsed()) == []


def test_a_share_of_zero_draws_nothing() -> None:
    found = serve_records.rule_settings(parsed("--random-approvals=0", "--random-approvals-key=k"))
    assert found.key is None
    with pytest.raises(SystemExit):
        parsed("--random-approvals=some")


def test_the_operator_takes_no_share_that_pods_refuse() -> None:
    assert MOST_APPROVED == MOST_SHARE


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        ([], "fraud-scorer.sqlite"),
        (["--data=of/mine"], "of/mine"),
        (["--data=none"], None),
        (["--data=none", "--processes=2"], None),
        (["--plan=p"], None),
        (["--plan=p", "--processes=2"], None),
        (["--plan=p", "--data=none"], None),
        (["--redis=r"], None),
        (["--postgres=p"], None),
        ([*RECORDS, "--data=none"], None),
    ],
)
def test_only_a_model_without_stores_has_the_embedded_default(
    arguments: list[str], file: str | None
) -> None:
    options = parsed(*arguments)
    assert serve_records.contradiction(options) == ""
    assert serve_records.embedded(options) == (None if file is None else Path(file))
