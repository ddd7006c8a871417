"""The capacity table as the deployment guide has it."""

import pytest

from fraud_operator.api.quantities import count
from fraud_operator.plan.capacity import TABLE, row_for


@pytest.mark.parametrize(
    ("per_day", "replicas", "cpu", "memory", "budget", "bounds"),
    [
        ("1", 3, "500m", "1Gi", 100, (3, 20)),
        ("1M", 3, "500m", "1Gi", 100, (3, 20)),
        ("1000001", 10, "1", "2Gi", 1_000, (10, 20)),
        ("10M", 10, "1", "2Gi", 1_000, (10, 20)),
        ("11M", 30, "2", "4Gi", 10_000, (30, 60)),
        ("100M", 30, "2", "4Gi", 10_000, (30, 60)),
        ("0.5B", 100, "2", "4Gi", 100_000, (100, 200)),
        ("1B", 100, "2", "4Gi", 100_000, (100, 200)),
    ],
)
def test_between_two_rows_the_larger_is_taken(per_day, replicas, cpu, memory, budget, bounds):
    row = row_for(count(per_day))
    assert (row.replicas, row.cpu, row.memory, row.tps_budget) == (replicas, cpu, memory, budget)
    assert (row.min_replicas, row.max_replicas) == bounds


def test_rows_only_grow():
    assert list(TABLE) == sorted(TABLE, key=lambda row: (row.transactions_per_day, row.replicas))


def test_every_row_carries_the_peak_of_its_traffic():
    """Ten times the mean rate of the day stays within the budget, as the guide's rows do."""
    for row in TABLE:
        assert row.transactions_per_day / 86_400 <= row.tps_budget
