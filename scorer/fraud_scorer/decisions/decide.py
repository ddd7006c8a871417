"""From a score to a decision that says what made it.

    a deny list      declines
    an allow list    approves what the model would not
    the thresholds   decline, review, approve
    a random draw    approves a small share of what the thresholds decline

The first that applies decides, from the top; a draw has a say only in what thresholds alone have
declined. `would` is the decision without the rule.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fraud_scorer.artifact.plan import Decision
from fraud_scorer.decisions.lists import Rule
from fraud_scorer.decisions.random_approvals import RandomApprovals

DECLINED = "threshold.decline"
REVIEWED = "threshold.review"
APPROVED = "below_thresholds"
RANDOM_APPROVAL = "random_approval"
UNAVAILABLE = "unavailable"
"""There was no model: the decision that was declared for that."""

THRESHOLDS = frozenset((DECLINED, REVIEWED, APPROVED))
"""What decides where no rule does."""


class Decided(NamedTuple):
    """A decision, and what made it."""

    decision: Decision
    by: str
    would: Decision | Literal[""] = ""
    """The decision without the rule that made it; empty where none did and none was drawn."""
    propensity: float = 0.0
    """The share of such would-be declines that is approved; 0 where nothing was drawn."""

    @property
    def rule(self) -> str:
        """What made it where the thresholds did not; else empty."""
        return "" if self.by in THRESHOLDS else self.by


_DECLINE = Decided("decline", DECLINED)
_REVIEW = Decided("review", REVIEWED)
_APPROVE = Decided("approve", APPROVED)


def decide(
    score: float,
    *,
    review: float,
    decline: float,
    listed: Rule | None = None,
    random_approvals: RandomApprovals | None = None,
    transaction_id: str = "",
    amount_minor: int = 0,
) -> Decided:
    """The decision about a scored transaction: declined at `decline` and above, reviewed at
    `review` and above."""
    found = by_thresholds(score, review, decline)
    if listed is not None:
        return by_list(found, listed)
    if (
        random_approvals is not None
        and found is _DECLINE
        and random_approvals.takes_part(amount_minor)
    ):
        share = random_approvals.propensity
        if random_approvals.draw(transaction_id):
            return Decided("approve", RANDOM_APPROVAL, "decline", share)
        return Decided("decline", DECLINED, "decline", share)
    return found


def by_thresholds(score: float, review: float, decline: float) -> Decided:
    """The decision where nothing else has a say."""
    if score >= decline:
        return _DECLINE
    return _REVIEW if score >= review else _APPROVE


def decide_unavailable(declared: Decision, listed: Rule | None = None) -> Decided:
    """The decision where there is no model: the declared one, unless a list knows better."""
    found = Decided(declared, UNAVAILABLE)
    return found if listed is None else by_list(found, listed)


def by_list(found: Decided, listed: Rule) -> Decided:
    """What a list makes of a decision. An allow list leaves an approval what it was."""
    if listed.list == "deny":
        return Decided("decline", listed.by, found.decision)
    if found.decision == "approve":
        return found
    return Decided("approve", listed.by, found.decision)
