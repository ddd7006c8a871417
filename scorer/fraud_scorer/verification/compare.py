"""A version against the one that serves now: scores, decisions and what they were trained on.

For people to judge by. Nothing here refuses a version: whether it may answer is decided by how it
does under real traffic.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fraud_scorer.artifact.manifest import Bins, Manifest, Thresholds
from fraud_scorer.decisions.decide import decide
from fraud_scorer.engine import Model, RowError
from fraud_scorer.pipeline.envelope import Decision
from fraud_scorer.problem import Problem
from fraud_scorer.registry.inputs import Inputs
from fraud_scorer.verification.findings import (
    DECISIONS,
    Decisions,
    Judged,
    Labelled,
    Moved,
    Scores,
)
from fraud_scorer.verification.sample import Transaction, origin

SCORE_BINS = 25
MOST_MOVED = 10
_LEAST_SHARE = 1e-4  # an empty bin says "rarer than this", not "impossible"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a model and what is decided by it."""

    model: Model
    manifest: Manifest
    thresholds: Thresholds | None

    def decide(self, score: float) -> Decision:
        """What becomes of a transaction with that score."""
        if self.thresholds is None:
            raise ValueError("no thresholds, no decisions")
        review, decline = float(self.thresholds.review), float(self.thresholds.decline)
        return decide(score, review=review, decline=decline).decision

    def scores(self, transactions: Iterable[Transaction]) -> list[float | None]:
        """Their scores, with None where this model does not take such a transaction."""
        names, inputs = [one.name for one in self.manifest.features], Inputs(self.manifest)

        def score(transaction: Transaction) -> float | None:
            if any(name not in transaction for name in names):
                return None
            try:
                row = inputs.row({name: transaction[name] for name in names})
                return self.model.score_one(row)
            except (Problem, RowError):
                return None

        return [score(one) for one in transactions]


@dataclass(frozen=True, slots=True)
class Trial:
    """The same transactions, scored by both. `theirs` has None where the active version does not
    take a transaction; `weights` say how much each counts, and add up to 1."""

    ours: Sequence[float]
    theirs: Sequence[float | None]
    weights: Sequence[float]

    @property
    def common(self) -> Trial:
        """What both have scored."""
        places = [i for i, score in enumerate(self.theirs) if score is not None]
        return Trial(
            [self.ours[i] for i in places],
            [self.theirs[i] for i in places],
            _normal([self.weights[i] for i in places]),
        )


def trial(
    candidate: Side, active: Side | None, rows: Sequence[Transaction], ours: Sequence[float]
) -> Trial:
    """The rows, of which `ours` are the candidate's scores, scored by the active version too.

    Rows that are drawn feature by feature meet high scores more often than real ones do. So each
    counts by how frequent its score was where the candidate was published, where that is known.
    """
    theirs = active.scores(rows) if active else [None] * len(rows)
    return Trial(ours, theirs, _weights(candidate.manifest, ours))


def scores(candidate: Side, tried: Trial) -> Scores:
    """Both distributions, over the transactions that both take."""
    both = tried.common
    used = both if both.ours else tried
    mine = _histogram(used.ours, used.weights)
    other = _histogram([one or 0.0 for one in both.theirs], both.weights) if both.ours else None
    return Scores(
        rows=len(used.ours),
        origin=origin(candidate.manifest),
        weighted=candidate.manifest.reference is not None,
        candidate=mine,
        active=other,
        psi=None if other is None else _stability(mine, other),
    )


def decisions(candidate: Side, active: Side | None, tried: Trial) -> Decisions | None:
    """What would be decided, and how much of it otherwise than now; None without thresholds."""
    if candidate.thresholds is None:
        return None
    both = tried.common
    if active is None or not both.ours:
        return Decisions(candidate=_shares(map(candidate.decide, tried.ours), tried.weights))
    new = [candidate.decide(score) for score in both.ours]
    old = [active.decide(score or 0.0) for score in both.theirs]
    moves = [[0.0, 0.0, 0.0] for _ in DECISIONS]
    for before, after, weight in zip(old, new, both.weights, strict=True):
        moves[DECISIONS.index(before)][DECISIONS.index(after)] += weight
    return Decisions(
        candidate=_shares(new, both.weights),
        active=_shares(old, both.weights),
        moves=tuple((row[0], row[1], row[2]) for row in moves),
        changed=sum(
            weight
            for before, after, weight in zip(old, new, both.weights, strict=True)
            if before != after
        ),
    )


def labelled(candidate: Side, active: Side | None) -> Labelled | None:
    """Precision and recall over the golden transactions whose label is known."""
    known = [one for one in candidate.manifest.golden if one.label is not None]
    if not known or candidate.thresholds is None:
        return None
    labels = [one.label == "fraud" for one in known]

    def judged(side: Side) -> Judged | None:
        found = side.scores(one.features for one in known)
        flagged = [side.decide(score) != "approve" for score in found if score is not None]
        return _judged(flagged, labels) if len(flagged) == len(labels) else None

    return Labelled(
        fraud=sum(labels),
        genuine=len(labels) - sum(labels),
        candidate=judged(candidate) or Judged(),
        active=judged(active) if active else None,
    )


def moved(candidate: Manifest, active: Manifest) -> tuple[Moved, ...]:
    """The features whose reference distributions are furthest from one another."""
    if candidate.reference is None or active.reference is None:
        return ()
    theirs = active.reference.features
    found = [
        Moved(feature=name, psi=stability(bins, theirs[name]))
        for name, bins in candidate.reference.features.items()
        if name in theirs
    ]
    return tuple(sorted(found, key=lambda one: (-one.psi, one.feature))[:MOST_MOVED])


def stability(ours: Bins, theirs: Bins) -> float:
    """The population stability index, by the edges of `ours`; what the other has between its own
    edges is taken as spread evenly."""
    below = [0.0, *(_share_below(theirs, edge) for edge in ours.edges[1:-1]), 1.0]
    return _stability(ours.shares, [b - a for a, b in pairwise(below)])


def _share_below(bins: Bins, value: float) -> float:
    place = bisect_right(bins.edges, value) - 1
    if place < 0:
        return 0.0
    if place >= len(bins.shares):
        return 1.0
    low, high = bins.edges[place], bins.edges[place + 1]
    return sum(bins.shares[:place]) + bins.shares[place] * (value - low) / (high - low)


def _stability(ours: Sequence[float], theirs: Sequence[float]) -> float:
    total = 0.0
    for a, b in zip(ours, theirs, strict=True):
        a, b = max(a, _LEAST_SHARE), max(b, _LEAST_SHARE)
        total += (a - b) * math.log(a / b)
    return total


def _weights(manifest: Manifest, found: Sequence[float]) -> list[float]:
    if manifest.reference is None:
        return _normal([1.0] * len(found))
    bins = manifest.reference.score
    places = [
        min(max(bisect_right(bins.edges, score) - 1, 0), len(bins.shares) - 1) for score in found
    ]
    counts = Counter(places)
    return _normal([bins.shares[place] / counts[place] for place in places])


def _normal(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    if not total:  # none of these scores was seen where the model was published
        return [1 / len(weights) for _ in weights]
    return [one / total for one in weights]


def _histogram(found: Sequence[float], weights: Sequence[float]) -> tuple[float, ...]:
    shares = [0.0] * SCORE_BINS
    for score, weight in zip(found, weights, strict=True):
        shares[min(int(score * SCORE_BINS), SCORE_BINS - 1)] += weight
    return tuple(shares)


def _shares(found: Iterable[Decision], weights: Sequence[float]) -> tuple[float, float, float]:
    shares = dict.fromkeys(DECISIONS, 0.0)
    for decision, weight in zip(found, weights, strict=True):
        shares[decision] += weight
    return shares["approve"], shares["review"], shares["decline"]


def _judged(flagged: Sequence[bool], fraud: Sequence[bool]) -> Judged:
    caught = sum(a and b for a, b in zip(flagged, fraud, strict=True))
    return Judged(
        precision=caught / sum(flagged) if any(flagged) else None,
        recall=caught / sum(fraud) if any(fraud) else None,
    )
