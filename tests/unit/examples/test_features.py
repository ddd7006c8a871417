"""Every feature of every transaction of a small business against a slow second opinion."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from examples.handbook.features import NAMES, features
from examples.handbook.simulator import Parameters, Transactions, simulate

Numbers = dict[str, float]


def second_opinion(transactions: Transactions) -> list[Numbers]:
    """The features straight from their definition, one transaction after the other."""
    rows = [
        (
            transactions.start + timedelta(seconds=int(transactions.seconds[i])),
            int(transactions.customer[i]),
            int(transactions.terminal[i]),
            int(transactions.amount_minor[i]),
            bool(transactions.fraud[i]),
        )
        for i in range(len(transactions))
    ]
    return [_of_one(index, rows) for index in range(len(rows))]


def _of_one(index: int, rows: list[tuple[datetime, int, int, int, bool]]) -> Numbers:
    time, customer, terminal, amount, _ = rows[index]
    found: Numbers = {
        "amount": amount / 100,
        "weekend": float(time.isoweekday() in (6, 7)),
        "night": float(time.hour <= 6),
    }
    mine = [row for row in rows[: index + 1] if row[1] == customer]
    there = [row for row in rows[: index + 1] if row[2] == terminal]
    known = time - timedelta(days=7)
    for days in (1, 7, 30):
        window = timedelta(days=days)
        amounts = [row[3] for row in mine if row[0] > time - window]
        frauds = [row[4] for row in there if known - window < row[0] <= known]
        found[f"customer_count_{days}d"] = len(amounts)
        found[f"customer_mean_amount_{days}d"] = sum(amounts) / len(amounts) / 100
        found[f"terminal_count_{days}d"] = len(frauds)
        found[f"terminal_fraud_share_{days}d"] = sum(frauds) / len(frauds) if frauds else 0
    return found


@pytest.mark.parametrize("start", [datetime(2018, 4, 1, tzinfo=UTC), datetime(2024, 2, 27, 21, 30)])
def test_against_the_definition(start: datetime) -> None:
    parameters = Parameters(customers=8, terminals=12, radius=60, days=50, start=start)
    transactions = simulate(parameters)
    matrix = features(transactions)
    assert matrix.shape == (len(transactions), 15)
    for row, expected in zip(matrix, second_opinion(transactions), strict=True):
        assert dict(zip(NAMES, row.tolist(), strict=True)) == pytest.approx(expected, rel=1e-12)
    assert (matrix.max(axis=0) > 0).all(), "a feature that is always zero would be compared in vain"


def test_a_window_ends_just_before_it_is_full() -> None:
    """A transaction exactly n days ago has left the window of n days."""
    day = 86_400
    same = np.zeros(3, dtype=np.int64)
    transactions = Transactions(
        start=datetime(2018, 4, 1, tzinfo=UTC),
        seconds=np.array([1, 1 + 7 * day, 8 * day]),
        customer=same,
        terminal=same,
        amount_minor=np.array([100, 200, 400]),
        scenario=np.array([1, 0, 0], dtype=np.int8),
    )
    last_two = [dict(zip(NAMES, row, strict=True)) for row in features(transactions)[1:].tolist()]
    assert [row["customer_count_7d"] for row in last_two] == [1, 2]
    assert [row["customer_mean_amount_7d"] for row in last_two] == [2, 3]
    assert [row["terminal_count_1d"] for row in last_two] == [1, 1]
    assert [row["terminal_fraud_share_1d"] for row in last_two] == [1, 1]


def test_of_two_in_one_second_the_first_does_not_see_the_second() -> None:
    one = simulate(Parameters(customers=3, terminals=5, radius=90, days=2)).where(slice(0, 1))
    both = replace(
        one.where(np.array([0, 0])),
        amount_minor=np.array([100, 300]),
    )
    columns = dict(zip(NAMES, features(both).T.tolist(), strict=True))
    assert columns["customer_count_1d"] == [1, 2]
    assert columns["customer_mean_amount_1d"] == [1, 2]


def test_no_transactions_have_no_features() -> None:
    nobody = simulate(Parameters(customers=3, terminals=5, radius=0, days=2))
    assert features(nobody).shape == (0, 15)
