"""Stage five: from a score to a decision."""

from __future__ import annotations

from fraud_scorer.pipeline.envelope import Decision

BY_SCORE = {
    "decline": "threshold.decline",
    "review": "threshold.review",
    "approve": "below_thresholds",
}
"""What made a decision that the score alone made."""
UNAVAILABLE = "unavailable"
"""What makes it where no model can be had."""


def decide(score: float, *, review: float, decline: float) -> Decision:
    """Decline at `decline` and above, review at `review` and above, else approve."""
    if score >= decline:
        return "decline"
    return "review" if score >= review else "approve"
