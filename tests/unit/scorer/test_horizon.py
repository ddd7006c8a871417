"""An event of the future is refused, as it would blind the windows of its entities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fraud_scorer.pipeline.horizon import AHEAD, Horizon
from fraud_scorer.problem import INVALID, Problem

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=9))])
def test_clocks_may_differ_by_some_minutes_and_no_more(zone: timezone) -> None:
    horizon = Horizon(lambda: NOW)
    for well in (NOW, NOW + AHEAD, NOW - timedelta(days=3000)):
        horizon.check(well.astimezone(zone))
    for _ in range(2):
        with pytest.raises(Problem) as refused:
            horizon.check((NOW + AHEAD + SECOND).astimezone(zone))
        problem = refused.value
        assert problem.kind is INVALID
        (error,) = problem.document.errors
        assert error.pointer == "#/event_time"
        assert "5 minutes ahead" in error.detail
        assert "2026-03-01T12:00:00+00:00" in error.detail


def test_it_goes_with_the_clock() -> None:
    now = NOW
    horizon = Horizon(lambda: now)
    horizon.check(NOW)
    later = NOW + 2 * AHEAD
    with pytest.raises(Problem):
        horizon.check(later)
    now = later
    horizon.check(later)
