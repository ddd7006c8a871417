"""Which models take part in answering, and how: made anew whenever others are to answer."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_scorer.artifact.plan import Decision
from fraud_scorer.metrics import Metrics
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import Role, Roles
from fraud_scorer.registry.share import Share
from fraud_scorer.tally import Tally


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model in its part."""

    model: LoadedModel
    role: Role
    tally: Tally
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate: with a share, or as a shadow."""

    candidate: Scorer
    share: Share | None


@dataclass(frozen=True, slots=True)
class Parts:
    """Who answers, who is on trial, and what is decided where nobody can."""

    active: Scorer | None = None
    trial: Trial | None = None
    when_unavailable: Decision | None = None


def parts(roles: Roles, metrics: Metrics) -> Parts:
    """The parts that these roles give."""
    scorers = {
        role: Scorer(
            model,
            role,
            metrics.tally(model.version, model.revision, role),
            roles.fallback and model is roles.active,
        )
        for role, model in roles.named().items()
    }
    candidate = scorers.get("shadow") or scorers.get("candidate")
    trial = None
    if candidate is not None and (roles.share is not None or roles.shadow):
        trial = Trial(candidate, roles.share)
    active = scorers.get("last-known-good" if roles.fallback else "active")
    return Parts(active, trial, roles.when_unavailable)
