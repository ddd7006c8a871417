"""What a declared feature is: held to the definition, event by event, by a slow second opinion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraud_scorer.features.events import MOST, Label, Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import Event, materialise, replay
from tests.support.histories import (
    DAY,
    EVERYTHING,
    HOUR,
    MINUTE,
    SECOND,
    START,
    defined,
    number,
    some_days,
    window,
)

LAYOUT = layout(EVERYTHING)


def transaction(
    time: int, id: str = "", *, customer: str = "c", terminal: str = "t", amount: int = 100,
    currency: str = "EUR",
) -> Transaction:  # fmt: skip
    entities = {"customer": customer, "terminal": terminal}
    return Transaction(id or f"tx-{time}", START + time, entities, amount, currency)


def features_of(*events: Event, declared: Sequence[object] = EVERYTHING) -> dict[str, object]:
    """Of the last transaction."""
    return list(replay(events, layout(declared)))[-1]  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_a_feature_is_what_its_definition_says(seed: int) -> None:
    events = some_days(seed)

    found = replay(events, LAYOUT)

    for index, event in enumerate(events):
        if isinstance(event, Transaction):
            assert next(found) == defined(EVERYTHING, events[:index], event)


def test_a_transaction_is_no_part_of_its_own_features() -> None:
    first = features_of(transaction(0))

    assert (first["count_3d"], first["sum_5m"], first["terminals_3h"]) == (0, 0, 0)
    assert (first["mean_3d"], first["max_3h"], first["since_3h"]) == (1234.5, None, 10_800)


def test_a_window_is_its_newest_buckets_the_current_one_among_them() -> None:
    minutes = [number("count", window("count", "5m", "1m"))]

    def count(earlier: int, later: int) -> object:
        return features_of(transaction(earlier), transaction(later), declared=minutes)["count"]

    assert count(0, 5 * MINUTE - 1) == 1
    assert count(0, 5 * MINUTE) == 0, "the bucket of minute 0 is the sixth one back"
    assert count(MINUTE - 1, 5 * MINUTE - 1) == 1
    assert count(MINUTE, 5 * MINUTE + SECOND) == 1


def test_what_came_before_counts_also_where_it_happened_later_in_the_bucket() -> None:
    later_first = features_of(transaction(30 * SECOND), transaction(10 * SECOND))

    assert later_first["count_5m"] == 1
    assert later_first["since_3h"] == 0, "not less than nothing"


def test_what_happened_in_a_later_bucket_is_not_in_the_window() -> None:
    assert features_of(transaction(10 * MINUTE), transaction(0))["count_5m"] == 0


def test_a_late_transaction_counts_for_what_comes_after_it() -> None:
    events = [transaction(0), transaction(2 * HOUR), transaction(HOUR), transaction(2 * HOUR + 1)]

    assert features_of(*events)["terminals_3h"] == 1
    assert features_of(*events)["count_3d"] == 3


def test_a_transaction_too_late_to_know_its_window_gets_the_default() -> None:
    days = [number("count", window("count", "2d", "1d", default=7.0))]
    events = [transaction(day * DAY) for day in (10, 11, 12)]

    assert features_of(*events, transaction(11 * DAY, "late"), declared=days)["count"] == 7
    assert features_of(*events, transaction(12 * DAY + 1), declared=days)["count"] == 2


def test_a_repeated_transaction_counts_once_and_has_the_features_that_it_had() -> None:
    events = [transaction(0, "a"), transaction(1, "b"), transaction(2, "c")]

    first, _, _, again, other = replay([*events, transaction(0, "a"), transaction(3, "d")], LAYOUT)

    assert again == first
    assert other["count_3d"] == 3


def test_labels_are_known_from_when_they_were_observed() -> None:
    bought = transaction(0, "a")
    late = Label("a", START + 2 * DAY, fraud=True)
    before, at = transaction(2 * DAY - 1, "b"), transaction(2 * DAY, "c")

    _, unknown, known = materialise([bought, before, at], [late], LAYOUT)

    assert unknown["terminal_risk_2d"] == 0.01
    assert known["terminal_risk_2d"] == 1


def test_of_several_labels_the_one_observed_last_counts() -> None:
    bought = transaction(0, "a")
    fraud, cleared = Label("a", START + 10, fraud=True), Label("a", START + 20, fraud=False)
    now = transaction(2 * DAY)

    assert features_of(bought, fraud, cleared, now)["terminal_risk_2d"] == 0
    assert features_of(bought, cleared, fraud, now)["terminal_risk_2d"] == 0
    assert features_of(bought, cleared, cleared, now)["terminal_risk_2d"] == 0
    assert features_of(bought, fraud, fraud, now)["terminal_risk_2d"] == 1


def test_a_label_may_come_before_its_transaction() -> None:
    label = Label("a", START, fraud=True)

    assert features_of(label, transaction(0, "a"), transaction(2 * DAY))["terminal_risk_2d"] == 1


def test_an_entity_that_is_not_there_has_the_defaults() -> None:
    alone = Transaction("a", START, {"customer": "c"}, 1, "EUR")

    found = features_of(alone)

    assert found["terminal_count_2d"] is None
    assert found["terminal_risk_2d"] == 0.01
    assert found["terminals_3h"] == 0


def test_distinct_ends_at_its_bound() -> None:
    shops = [transaction(index, terminal=f"t-{index}") for index in range(5)]

    assert features_of(*shops, transaction(10))["terminals_3h"] == 3
    assert features_of(*shops, transaction(10))["terminals_1h"] == 2


def test_amounts_are_added_as_integers_up_to_what_a_double_holds() -> None:
    cents = [transaction(index, amount=MOST // 3) for index in range(3)]

    assert features_of(*cents, transaction(10))["sum_5m"] == float(MOST // 3 * 3)
    assert features_of(*cents, transaction(5, amount=MOST), transaction(10))["sum_5m"] == MOST


def test_only_the_declared_currency_is_added() -> None:
    dollars = replace(transaction(0, amount=500), currency="USD")

    found = features_of(dollars, transaction(1, amount=70), transaction(2))

    assert (found["sum_5m"], found["usd_sum_3d"], found["count_5m"]) == (70, 500, 2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_history_does_not_depend_on_the_order_of_what_is_in_it(data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(0, 5 * DAY), min_size=1, max_size=25, unique=True))
    events = [transaction(time, terminal=f"t-{time % 4}", amount=time % 997) for time in times]
    shuffled = data.draw(st.permutations(events))
    last = transaction(max(times) + data.draw(st.integers(1, 2 * DAY)), "last")

    assert features_of(*events, last) == features_of(*shuffled, last)
