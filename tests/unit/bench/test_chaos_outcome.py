"""The last line of `python -m bench.chaos` says what became of requests and records."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bench.chaos.command import main
from bench.chaos.faults import Played
from bench.chaos.ground import Kept
from bench.chaos.load import Heard
from bench.chaos.outcome import HEAD, Outcome, goals, row
from bench.goals import verdict

KEPT = Kept(acknowledged=2, found=2, missing=0, duplicated=0, linked=0, missed=0)


def outcome(
    kept: Kept = KEPT, *, name: str = "Redis killed", wrong: str = "", **heard: object
) -> Outcome:
    answered = {"asked": 2, "acknowledged": {"a": "1", "b": "2"}, "seconds": [0.1, 0.2]}
    played = Played(Heard(**(answered | heard)), wrong=[wrong] if wrong else [])  # type: ignore[arg-type]
    return Outcome(name, played, kept, 1.0)


def test_all_hold() -> None:
    found = list(goals([outcome()], "", []))
    assert verdict(found) == "All 2 goals hold."
    assert len(row(outcome())) == len(HEAD)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (outcome(statuses=Counter({500: 1})), "1 requests got a 5xx"),
        (outcome(unanswered=["a"]), "never answered"),
        (outcome(acknowledged={}), "nothing was acknowledged"),
        (outcome(replace(KEPT, found=1, missing=1)), "1 acknowledged answers are not in Postgres"),
        (outcome(replace(KEPT, duplicated=1)), "more than once"),
        (outcome(replace(KEPT, missing=1, found=1, missed=1)), "without a record"),
        (outcome(wrong="pods left records in their spools"), "left records"),
    ],
)
def test_what_does_not_hold_is_said(one: Outcome, said: str) -> None:
    (missed,) = [goal for goal in goals([one], "", []) if not goal.holds]
    assert said in missed.measured


def test_what_a_chain_says_that_it_misses_is_not_lost_where_that_was_declared() -> None:
    kept = replace(KEPT, found=1, missing=1, missed=1)
    assert list(outcome(kept, name="all stores gone, degrade").problems()) == []


def test_a_chain_that_was_tampered_with_and_a_fault_that_was_not_played_do_not_hold() -> None:
    found = list(goals([outcome()], "Changed: entry 1", ["Postgres' disk full"]))
    assert verdict(found).startswith("2 of 3 goals do not hold")


def test_a_fault_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Redis bored"]) == 2
    said = capsys.readouterr().err
    assert "no fault Redis bored" in said
    assert "Redis hung" in said
