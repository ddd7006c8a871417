"""Permissions: the operator's ServiceAccount has what it was installed with, the user enough."""

from __future__ import annotations

from collections.abc import Sequence

from fraud_operator.cli.doctor.check import (
    Check,
    Denied,
    Finding,
    denied,
    fail,
    ok,
    skip,
    warn,
)
from fraud_operator.cli.doctor.facts import ClusterFacts
from fraud_operator.cli.doctor.rights import Right

_MOST_NAMED = 4
_TO_STATUS = frozenset({"get", "list"})


def operator(facts: ClusterFacts) -> Finding:
    """Every rule of the ClusterRole and of the Role for the Lease."""
    rights = facts.operator_rights
    if rights is None:
        return skip("there is no operator to ask about", "see Operator")
    if isinstance(rights, Denied):
        return denied("the operator's Deployment", rights)
    if rights.unasked:
        return denied("what others may do (SubjectAccessReview)", Denied(rights.unasked))
    if rights.missing:
        return fail(
            f"{rights.who} may not {_listed(rights.missing)}",
            "apply ClusterRole, Role and bindings of the operator's release again",
        )
    return ok(f"{rights.who} has all {rights.asked} rights that it needs")


def user(facts: ClusterFacts) -> Finding:
    """What `kubectl fraud` itself asks for."""
    rights = facts.user_rights
    if rights.unasked:
        return denied("what you may do", Denied(rights.unasked))
    unseen = [one for one in rights.missing if one.verb in _TO_STATUS and one.resource != "secrets"]
    if unseen:
        return warn(
            f"you may not {_listed(unseen)}: kubectl fraud shows less than there is",
            "ask for the ClusterRole view in the namespace",
        )
    if rights.missing:
        return warn(
            f"you may not {_listed(rights.missing)}: kubectl fraud plan says what it could not"
            " check, and what it assumes",
            "ask for the ClusterRole edit in the namespace, to plan there",
        )
    return ok("you may do all that kubectl fraud asks for")


def _listed(rights: Sequence[Right]) -> str:
    more = len(rights) - _MOST_NAMED
    return ", ".join(map(str, rights[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


CHECKS = (
    Check("permissions.operator", "The operator's rights", operator),
    Check("permissions.user", "Your rights", user),
)
