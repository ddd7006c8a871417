"""One OpenMP thread, as other work shares the cores; and after the run, how much was compared with
scikit-learn and what differed most."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

from tests.support.closing import say
from tests.unit.engine.comparing import TALLIES


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """One line a family."""
    if not TALLIES:
        return
    lines = [
        f"{family:26} {tally.models:4} models {tally.scores:9} scores"
        f" {tally.equal / max(1, tally.scores):8.3%} the same bits,"
        f" worst difference {tally.worst:.1e}; {tally.refused:5} rows refused by both"
        for family, tally in TALLIES.items()
    ]
    scores = sum(tally.scores for tally in TALLIES.values())
    models = sum(tally.models for tally in TALLIES.values())
    say("engine against scikit-learn", [*lines, f"{scores} scores compared over {models} models"])
