"""The conditions library."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_operator.plan.conditions import Finding, first, holds, settle, timestamp
from tests.support.worlds import NOW

YES = Finding("True", "Good", "all is well")
NO = Finding("False", "Bad", "do this")


def test_a_new_condition_begins_now():
    conditions, flips = settle([], {"Ready": YES}, 3, NOW)
    assert conditions == [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
            "reason": "Good",
            "message": "all is well",
        }
    ]
    assert [(flip.type, flip.before, flip.now) for flip in flips] == [("Ready", None, YES)]


def test_the_same_again_changes_nothing():
    conditions, _ = settle([], {"Ready": YES}, 3, NOW)
    again, flips = settle(conditions, {"Ready": YES}, 3, NOW + timedelta(hours=1))
    assert again == conditions
    assert flips == []


def test_another_message_moves_no_time():
    conditions, _ = settle([], {"Ready": YES}, 3, NOW)
    other = Finding("True", "Good", "all is very well")
    again, flips = settle(conditions, {"Ready": other}, 4, NOW + timedelta(hours=1))
    assert again[0]["lastTransitionTime"] == conditions[0]["lastTransitionTime"]
    assert (again[0]["message"], again[0]["observedGeneration"]) == ("all is very well", 4)
    assert flips == []


def test_another_reason_is_told_but_moves_no_time():
    conditions, _ = settle([], {"Ready": NO}, 3, NOW)
    other = Finding("False", "Worse", "do that")
    again, flips = settle(conditions, {"Ready": other}, 3, NOW + timedelta(hours=1))
    assert again[0]["lastTransitionTime"] == conditions[0]["lastTransitionTime"]
    assert [(flip.before, flip.now) for flip in flips] == [(NO, other)]


def test_a_flip_moves_the_time():
    conditions, _ = settle([], {"Ready": NO}, 3, NOW)
    again, flips = settle(conditions, {"Ready": YES}, 3, NOW + timedelta(hours=1))
    assert again[0]["lastTransitionTime"] == timestamp(NOW + timedelta(hours=1))
    assert [(flip.before, flip.now) for flip in flips] == [(NO, YES)]


def test_what_is_not_found_any_more_goes():
    conditions, _ = settle([], {"Ready": YES, "Contended": YES}, 3, NOW)
    again, flips = settle(conditions, {"Ready": YES}, 3, NOW)
    assert [one["type"] for one in again] == ["Ready"]
    assert flips == []


def test_the_first_check_that_finds_something_wins():
    assert first((lambda _: None, lambda _: NO, lambda _: YES), None) == NO


def test_a_chain_without_an_end_is_a_bug():
    with pytest.raises(AssertionError):
        first((lambda _: None,), None)


def test_a_condition_of_an_older_generation_does_not_hold():
    conditions, _ = settle([], {"Ready": YES}, 3, NOW)
    assert holds(conditions, "Ready", 3)
    assert not holds(conditions, "Ready", 4)
    assert not holds([], "Ready", 3)


findings = st.builds(
    Finding,
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from(["A", "B"]),
    st.text(max_size=5),
)


@given(st.lists(st.dictionaries(st.sampled_from(["Ready", "Stalled"]), findings), max_size=8))
def test_the_time_is_that_of_the_last_flip_whatever_happens(lives):
    conditions: list[dict] = []
    flipped: dict[str, tuple[str, datetime]] = {}
    for step, found in enumerate(lives):
        now = NOW + timedelta(minutes=step)
        conditions, _ = settle(conditions, found, 1, now)
        flipped = {
            type_: flipped[type_]
            if type_ in flipped and flipped[type_][0] == finding.status
            else (finding.status, now)
            for type_, finding in found.items()
        }
        assert {one["type"]: one["lastTransitionTime"] for one in conditions} == {
            type_: timestamp(moment) for type_, (_, moment) in flipped.items()
        }
