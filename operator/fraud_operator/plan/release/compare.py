"""Whether a candidate does as well as the active revision, from what pods counted of both.

A measure fails only if its difference is greater than what is tolerated *and* more than chance: a
pod's noise condemns no model, and neither does a difference that nobody minds. With too little
traffic the answer is inconclusive, never passed.

Which revision answers a transaction is drawn by a digest of its id. If both were the same model,
the number of (say) declined ones among the candidate's would therefore be a draw without
replacement from all that were declined: hypergeometric, exactly, however few they are (Fisher's
exact test; R. A. Fisher, The Design of Experiments, 1935, section 12). So errors, invalid scores,
decisions, and answers slower than a bound are judged. A shadow scores what the active one scores,
so its counts differ less than independent ones would, and the test only becomes more careful.
Distributions of scores are held together by the two-sample Kolmogorov-Smirnov distance over the
bins, whose tail is about 2 exp(-2 D² nm/(n+m)) (N. Smirnov, 1948; bins make it smaller: G. E.
Noether, 1963).

Chance is bounded for a whole roll-out: an identical model is refused with a probability of at most
`FALSE_ALARM`. Half of it is for the one look at the end of each step, divided by measures and steps
(C. E. Bonferroni). The other half is for looks in between, as many as there may be: a look at N
transactions gets the part 1/(N(N+1)) of it, and these parts sum up to 1 over all N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import exp, lgamma
from typing import Literal

from fraud_scorer.artifact.report import LATENCY_EDGES, Counts

FALSE_ALARM = 0.01
"""Most probable share of roll-outs in which a candidate that equals the active one is refused."""

_MEASURES = 6
_SLOW_SHARE = 0.01
"""Latency is compared at the 99th percentile."""
_FAST_ENOUGH = 0.001
"""Seconds: below that, nobody minds."""
_NEGLIGIBLE = 1e-18


@dataclass(frozen=True, slots=True)
class Tolerances:
    """By how much a candidate may differ: shares as fractions, latency as a factor."""

    errors: float = 0.001
    invalid: float = 0.001
    decisions: float = 0.05
    scores: float = 0.10
    latency: float = 2.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it; `measure` and `message` are empty where it passed."""

    outcome: Literal["pass", "fail", "inconclusive"]
    measure: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A number of each revision, out of a number of each."""

    candidate: int
    of_candidate: int
    active: int
    of_active: int

    @property
    def shares(self) -> tuple[float, float]:
        return self.candidate / self.of_candidate, self.active / self.of_active

    def more(self) -> float:
        """How probable at least as many of the candidate's are, if both are the same."""
        everything = self.of_candidate + self.of_active
        return _upper_tail(
            self.candidate, self.of_candidate, self.candidate + self.active, everything
        )

    def other(self) -> float:
        """How probable a difference like that is, in either direction."""
        swapped = _Pair(self.active, self.of_active, self.candidate, self.of_candidate)
        return min(1.0, 2 * min(self.more(), swapped.more()))

    def text(self) -> str:
        ours, theirs = self.shares
        return (
            f"{ours:.2%} ({self.candidate} of {self.of_candidate})"
            f" against {theirs:.2%} ({self.active} of {self.of_active}) of the active one"
        )


def compare(
    candidate: Counts,
    active: Counts,
    tolerances: Tolerances,
    *,
    min_requests: int,
    steps: int,
    final: bool,
    same_model: bool = False,
) -> Comparison:
    """Compare what both did in the same time.

    `final` is the one look at the end of a step; any other can only fail. `steps` is how many steps
    the roll-out has. `same_model`: only thresholds differ, so that decisions are meant to.
    """
    seen = min(candidate.requests, active.requests)
    chance = FALSE_ALARM / 2 / _MEASURES / max(1, steps)
    if final and seen < min_requests:
        return Comparison(
            "inconclusive",
            message=f"{candidate.requests} transactions of the candidate and {active.requests} of"
            f" the active version were compared; {min_requests} of each are needed",
        )
    total = candidate.requests + active.requests
    if not final:
        chance /= max(1, total) * (total + 1)
    if not seen:
        return Comparison("inconclusive", message="nothing to compare yet")
    for measure in _MEASURED:
        if same_model and measure in _OF_DECISIONS:
            continue
        if failed := measure(candidate, active, tolerances, chance):
            return failed
    return Comparison("pass" if final else "inconclusive")


def _errors(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    pair = _Pair(candidate.errors, candidate.requests, active.errors, active.requests)
    return _worse("errors", "transactions it could not score", pair, allowed.errors, chance)


def _invalid(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    pair = _Pair(candidate.invalid, candidate.requests, active.invalid, active.requests)
    return _worse("invalid", "scores that are no probability", pair, allowed.invalid, chance)


def _declined(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    return _shifted(
        "declined", candidate, active, candidate.decline, active.decline, allowed, chance
    )


def _reviewed(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    return _shifted("reviewed", candidate, active, candidate.review, active.review, allowed, chance)


def _latency(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    """The candidate's 99th percentile against the active one's, as far as the bins tell them."""
    measured, of_active = sum(candidate.latencies), sum(active.latencies)
    usual = _percentile(active.latencies)
    if not measured or usual is None:
        return None
    bound = allowed.latency * max(usual, _FAST_ENOUGH)
    first = next((at for at, edge in enumerate(LATENCY_EDGES) if edge >= bound), None)
    if first is None:
        return None
    slow = _Pair(
        sum(candidate.latencies[first + 1 :]),
        measured,
        sum(active.latencies[first + 1 :]),
        of_active,
    )
    if slow.shares[0] <= _SLOW_SHARE or slow.more() >= chance:
        return None
    return Comparison(
        "fail",
        "latency",
        f"answers that took more than {LATENCY_EDGES[first] * 1000:g} ms: {slow.text()}, whose 99th"
        f" percentile is at most {usual * 1000:g} ms; {allowed.latency:g} times that is tolerated",
    )


def _scores(
    candidate: Counts, active: Counts, allowed: Tolerances, chance: float
) -> Comparison | None:
    ours, theirs = sum(candidate.scores), sum(active.scores)
    if not ours or not theirs:
        return None
    distance = max(
        abs(one / ours - other / theirs)
        for one, other in zip(accumulate(candidate.scores), accumulate(active.scores), strict=True)
    )
    if distance <= allowed.scores:
        return None
    if 2 * exp(-2 * distance**2 * ours * theirs / (ours + theirs)) >= chance:
        return None
    return Comparison(
        "fail",
        "scores",
        f"the distribution of scores is another one: the greatest difference of cumulated shares is"
        f" {distance:.3f} (of {ours} and {theirs} scores); {allowed.scores:g} is tolerated",
    )


_Measure = Callable[[Counts, Counts, Tolerances, float], Comparison | None]
_MEASURED: tuple[_Measure, ...] = (_errors, _invalid, _latency, _declined, _reviewed, _scores)
_OF_DECISIONS: tuple[_Measure, ...] = (_declined, _reviewed)
assert len(_MEASURED) == _MEASURES  # noqa: S101 -- what chance is divided by


def _worse(
    measure: str, what: str, pair: _Pair, tolerated: float, chance: float
) -> Comparison | None:
    ours, theirs = pair.shares
    if ours - theirs <= tolerated or pair.more() >= chance:
        return None
    return Comparison("fail", measure, f"{what}: {pair.text()}; {tolerated:g} more is tolerated")


def _shifted(
    measure: str,
    candidate: Counts,
    active: Counts,
    ours: int,
    theirs: int,
    allowed: Tolerances,
    chance: float,
) -> Comparison | None:
    decided = candidate.approve + candidate.review + candidate.decline
    by_active = active.approve + active.review + active.decline
    if not decided or not by_active:
        return None
    pair = _Pair(ours, decided, theirs, by_active)
    one, other = pair.shares
    if abs(one - other) <= allowed.decisions or pair.other() >= chance:
        return None
    return Comparison(
        "fail",
        measure,
        f"share of {measure} transactions: {pair.text()};"
        f" a difference of {allowed.decisions:g} is tolerated",
    )


def _percentile(latencies: tuple[int, ...]) -> float | None:
    """The upper edge of the bin with the 99th percentile; None where that has none."""
    slower = sum(latencies)
    allowed = slower * _SLOW_SHARE
    for edge, count in zip(LATENCY_EDGES, latencies, strict=False):
        slower -= count
        if slower <= allowed:
            return edge
    return None


def _upper_tail(seen: int, drawn: int, marked: int, everything: int) -> float:
    """The probability of at least `seen` marked ones among `drawn` out of `everything`; 1 where
    that is no more than is to be expected."""
    if seen * everything <= drawn * marked:
        return 1.0
    term = exp(
        _choices(marked, seen)
        + _choices(everything - marked, drawn - seen)
        - _choices(everything, drawn)
    )
    total = term
    for one in range(seen, min(drawn, marked)):
        term *= (marked - one) * (drawn - one)
        term /= (one + 1) * (everything - marked - drawn + one + 1)
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return min(1.0, total)


def _choices(n: int, k: int) -> float:
    """The logarithm of `n` over `k`."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
