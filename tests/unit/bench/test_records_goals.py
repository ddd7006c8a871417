"""The last line of `python -m bench.records` says what the figures say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bench.goals import verdict
from bench.records import report
from bench.records.commands import Counted
from bench.records.goals import Results, goals
from bench.records.looking import Looked
from bench.records.serving import Compared, Served
from bench.records.shipping import Shipped
from bench.records.spent import Spent
from bench.scorer.load import Load


def served(title: str, *rates: float, p99: float = 2000.0) -> Served:
    half = Load(
        rate=1000, goodput=1000, all=1200, answered=1000, late=0, broken=0, dropped=0, waiting=0,
        cpu=0.5, status={"200": 1000}, p50=100.0, p90=200.0, p99=p99, p999=p99, longest=p99,
    )  # fmt: skip
    return Served(title, list(rates), spent=Spent(server=20.0, generator=3.0), half=half)


def compared(**changes: Served) -> Compared:
    three = {
        "engine": served("the engine", 40_000, 20_000, 30_000),
        "whole": served("the whole path", 18_000, 9_000, 14_000),
        "plain": served("the plain way", 4_000, 2_000, 3_000),
        "sustained": served("the whole path, shipping", 9_000, 5_000, 7_000),
    }
    return Compared(**(three | changes), shipped=5_000.0)


SHIPPED = Shipped(
    loaded=10_000_000, gigabytes=20.0, records=1_000_000, appended=100_000.0,
    rounds=[20_000.0, 16_000.0], sustained=18_000.0, processor=17.0, backend=25.0,
)  # fmt: skip
COMMANDS = {"evalsha": 1.0, "mget": 1.0, "set": 3.0}


def everything_good() -> Results:
    return Results(
        approved=4.5, declined=4.9, shipped=SHIPPED, looked=Looked(0.5, 2.0, 0.9, 6.0, 100.0),
        compared=compared(), counted=[Counted(1, COMMANDS), Counted(10_000, COMMANDS)],
    )  # fmt: skip


def missed(results: Results) -> list[str]:
    return [goal.promise for goal in goals(results) if not goal.holds]


def test_all_hold() -> None:
    results = everything_good()
    assert missed(results) == []
    assert verdict(list(goals(results))) == "All 9 goals hold."


def test_answers_that_did_without_are_not_the_whole_path() -> None:
    lacking = served("the whole path", 18_000, 9_000, 14_000)
    lacking.answers, lacking.without = 1000.0, Counter({"features.redis": 10.0, "lists": 1.0})
    results = replace(everything_good(), compared=compared(whole=lacking))
    (found,) = missed(results)
    assert "had to do without" in found


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"whole": served("whole", 15_000, 7_900, 11_900)}, "at 40 % of the engine's rate"),
        ({"plain": served("plain", 6_100, 3_100, 4_700)}, "at 3 x the plain way"),
        ({"whole": served("whole", 18_000, 9_000, 14_000, p99=5000.0)}, "under 5 ms"),
    ],
)
def test_a_ratio_is_of_rates_of_the_same_round(changes: dict[str, Served], promise: str) -> None:
    (found,) = missed(replace(everything_good(), compared=compared(**changes)))
    assert promise in found


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"approved": 5.0}, "costs the event loop under 5"),
        ({"shipped": replace(SHIPPED, sustained=14_999.0)}, "45,000 rows a second"),
        ({"looked": Looked(0.5, 10.0, 0.9, 6.0, 100.0)}, "one transaction"),
        ({"looked": Looked(0.5, 2.0, 0.9, 10.0, 100.0)}, "a user's history"),
        ({"counted": [Counted(1, COMMANDS), Counted(10_000, COMMANDS | {"set": 4.0})]}, "commands"),
        ({"failures": {"the whole path": "it ended with 2"}}, "the whole path: measured"),
    ],
)
def test_a_goal_that_is_missed_is_named(changes: dict[str, object], promise: str) -> None:
    results = replace(everything_good(), **changes)  # type: ignore[arg-type]
    (found,) = missed(results)
    assert promise in found
    assert promise in report.markdown(results, list(goals(results)), {}, "a command")
