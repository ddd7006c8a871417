"""The capacity table: what a number of transactions a day takes.

Replicas, CPU, memory and budget are the deployment guide's; between two rows the larger is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TRANSACTIONS_PER_DAY = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """CPU and memory of one pod are requests; memory is also the limit."""

    transactions_per_day: int
    replicas: int
    cpu: str
    memory: str
    tps_budget: int
    min_replicas: int
    max_replicas: int


TABLE = (
    Row(1_000_000, 3, "500m", "1Gi", 100, min_replicas=3, max_replicas=20),
    Row(10_000_000, 10, "1", "2Gi", 1_000, min_replicas=10, max_replicas=20),
    Row(100_000_000, 30, "2", "4Gi", 10_000, min_replicas=30, max_replicas=60),
    Row(1_000_000_000, 100, "2", "4Gi", 100_000, min_replicas=100, max_replicas=200),
)


def row_for(transactions_per_day: int) -> Row:
    """The smallest row that is large enough; the largest one beyond the table."""
    for row in TABLE:
        if transactions_per_day <= row.transactions_per_day:
            return row
    return TABLE[-1]
