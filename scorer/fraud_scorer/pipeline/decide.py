"""Stage five: from a score to a decision."""

from __future__ import annotations

from fraud_scorer.pipeline.envelope import Decision


def decide(score: float, *, review: float, decline: float) -> Decision:
    """Decline at `decline` and above, review at `review` and above, else approve."""
    if score >= decline:
        return "decline"
    return "review" if score >= review else "approve"
