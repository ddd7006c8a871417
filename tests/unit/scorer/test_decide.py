"""A threshold belongs to the decision above it."""

from __future__ import annotations

import pytest

from fraud_scorer.decisions.decide import decide
from fraud_scorer.pipeline.admit import admit


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (0.0, "approve"),
        (0.4999999999999999, "approve"),
        (0.5, "review"),
        (0.8999999999999999, "review"),
        (0.9, "decline"),
        (1.0, "decline"),
    ],
)
def test_decisions(score: float, decision: str) -> None:
    assert decide(score, review=0.5, decline=0.9).decision == decision


def test_equal_thresholds_review_nothing() -> None:
    assert decide(0.5, review=0.5, decline=0.5).decision == "decline"


GOOD_PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("parent", "kept"),
    [
        (GOOD_PARENT, True),
        (GOOD_PARENT + b"x", False),
        (GOOD_PARENT.upper(), False),
        (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_a_trace_is_followed_where_it_can_be_read(parent: bytes, kept: bool) -> None:
    context = admit({b"traceparent": parent}, now=10.0, patience=2.0)
    assert context.traceparent == (parent.decode("latin-1") if kept else "")
    assert context.deadline == 12.0
