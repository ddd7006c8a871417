"""Faults of the stores under load, with real servers: nothing acknowledged is lost, and no 5xx."""

from __future__ import annotations

import pytest

from bench.chaos.command import main, play
from bench.chaos.faults import QUICK

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    [
        "Redis hung",
        "Postgres killed",
        "Postgres away, pods come and go",
        "scorer killed -9 at random",
    ],
)
def test_a_fault_for_seconds(name: str) -> None:
    (outcome,), tampered, _ = play([name], QUICK)
    assert list(outcome.problems()) == []
    assert outcome.kept.found == outcome.kept.acknowledged > 0
    assert tampered == ""


@pytest.mark.long
def test_each_fault_in_full() -> None:
    assert main([]) == 0
