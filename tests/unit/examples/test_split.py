"""Who is in which week, and whose cards are blocked by then."""

from datetime import timedelta

import numpy as np

from examples.handbook.simulator import DAY, Transactions
from examples.handbook.split import FIRST_TRAINING_DAY, split


def at(days: list[int], customers: list[int], frauds: list[int]) -> Transactions:
    """Transactions so many days after the first day of training."""
    start = FIRST_TRAINING_DAY - timedelta(days=10)
    columns = np.array(customers)
    return Transactions(
        start=start,
        seconds=(np.array(days) + 10) * DAY + 1,
        customer=columns,
        terminal=columns,
        amount_minor=columns,
        scenario=np.array(frauds, dtype=np.int8),
    )


def test_a_week_each_of_training_delay_and_test() -> None:
    days = [-1, 0, 6, 7, 13, 14, 20, 21]
    weeks = split(at(days, list(range(8)), [0] * 8))
    assert np.array(days)[weeks.training].tolist() == [0, 6]
    assert np.array(days)[weeks.delay].tolist() == [7, 13]
    assert np.array(days)[weeks.test].tolist() == [14, 20]


def test_a_card_is_blocked_once_its_fraud_is_known() -> None:
    """A fraud of day 7 is acted upon on day 15, so on day 14 the card still pays."""
    days, frauds = [7, 14, 15, 20], [1, 0, 0, 0]
    weeks = split(at(days, [1, 1, 1, 1], frauds))
    assert np.array(days)[weeks.test].tolist() == [14]


def test_frauds_before_the_training_block_nobody() -> None:
    weeks = split(at([-1, 14], [1, 1], [1, 0]))
    assert weeks.test.sum() == 1
