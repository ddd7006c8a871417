"""Which of thresholds, lists and the draw decides, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_scorer.decisions.decide import Decided, Decision, decide, decide_unavailable
from fraud_scorer.decisions.lists import Rule
from fraud_scorer.decisions.random_approvals import RandomApprovals

DENY, ALLOW = Rule("deny", "customer"), Rule("allow", "terminal")
APPROVALS = RandomApprovals(b"k" * 32, "0.05", most_minor=5000)
DRAWN = next(f"tx-{n}" for n in range(1000) if APPROVALS.draw(f"tx-{n}"))
NOT_DRAWN = next(f"tx-{n}" for n in range(1000) if not APPROVALS.draw(f"tx-{n}"))

scores = st.floats(0, 1)
rules = st.sampled_from([None, DENY, ALLOW])


@pytest.mark.parametrize(
    ("score", "decision", "by"),
    [
        (0.0, "approve", "below_thresholds"),
        (0.4999999999999999, "approve", "below_thresholds"),
        (0.5, "review", "threshold.review"),
        (0.8999999999999999, "review", "threshold.review"),
        (0.9, "decline", "threshold.decline"),
        (1.0, "decline", "threshold.decline"),
    ],
)
def test_a_threshold_belongs_to_the_decision_above_it(score: float, decision: str, by: str) -> None:
    found = decide(score, review=0.5, decline=0.9)
    assert found == (decision, by, "", 0.0)
    assert found.rule == ""


def test_equal_thresholds_review_nothing() -> None:
    assert decide(0.5, review=0.5, decline=0.5).decision == "decline"


@pytest.mark.parametrize(
    ("score", "listed", "expected"),
    [
        (0.1, DENY, Decided("decline", "list.deny.customer", "approve")),
        (0.95, DENY, Decided("decline", "list.deny.customer", "decline")),
        (0.1, ALLOW, Decided("approve", "below_thresholds")),
        (0.6, ALLOW, Decided("approve", "list.allow.terminal", "review")),
        (0.95, ALLOW, Decided("approve", "list.allow.terminal", "decline")),
    ],
)
def test_a_list_beats_the_model(score: float, listed: Rule, expected: Decided) -> None:
    assert decide(score, review=0.5, decline=0.9, listed=listed) == expected


@pytest.mark.parametrize(
    ("transaction", "amount", "expected"),
    [
        (DRAWN, 5000, Decided("approve", "random_approval", "decline", 0.05)),
        (NOT_DRAWN, 5000, Decided("decline", "threshold.decline", "decline", 0.05)),
        (DRAWN, 5001, Decided("decline", "threshold.decline")),
    ],
)
def test_a_draw_is_recorded_whatever_came_of_it(
    transaction: str, amount: int, expected: Decided
) -> None:
    assert (
        decide(
            0.95, review=0.5, decline=0.9, random_approvals=APPROVALS, transaction_id=transaction,
            amount_minor=amount,
        )
        == expected
    )  # fmt: skip


@given(scores, rules, st.text(max_size=20), st.integers(0, 10_000))
def test_what_a_draw_may_never_do(
    score: float, listed: Rule | None, transaction: str, amount: int
) -> None:
    found = decide(
        score, review=0.5, decline=0.9, listed=listed, random_approvals=APPROVALS,
        transaction_id=transaction, amount_minor=amount,
    )  # fmt: skip
    without = decide(score, review=0.5, decline=0.9, listed=listed)
    if found.propensity:
        assert (without.by, listed) == ("threshold.decline", None)
        assert amount <= 5000
        assert found.would == "decline"
        assert (found.decision == "approve") is APPROVALS.draw(transaction)
    else:
        assert found == without
    if listed is DENY:
        assert found.decision == "decline"


@pytest.mark.parametrize(
    ("declared", "listed", "expected"),
    [
        ("review", None, Decided("review", "unavailable")),
        ("approve", DENY, Decided("decline", "list.deny.customer", "approve")),
        ("decline", ALLOW, Decided("approve", "list.allow.terminal", "decline")),
        ("approve", ALLOW, Decided("approve", "unavailable")),
    ],
)
def test_without_a_model_lists_hold(
    declared: Decision, listed: Rule | None, expected: Decided
) -> None:
    found = decide_unavailable(declared, listed)
    assert found == expected
    assert found.rule == expected.by
