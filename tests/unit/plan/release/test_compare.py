"""Candidates are compared by simulation with fixed seeds: equal models pass, worse ones do not."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from random import Random
from typing import Any

import pytest

from fraud_operator.plan.release import compare as comparing
from fraud_operator.plan.release.compare import FALSE_ALARM, Comparison, Tolerances, compare
from fraud_scorer.artifact.report import LATENCY_EDGES, SCORE_BINS, Counts, added

ALLOWED = Tolerances()


class Model:
    """Scores and latencies drawn at random; what is worse about it is said by the test."""

    def __init__(
        self,
        *,
        errors: float = 0.0,
        invalid: float = 0.0,
        shape: tuple[float, float] = (0.6, 4.0),
        milliseconds: float = 0.4,
        decline: float = 0.7,
    ) -> None:
        self.errors, self.invalid, self.shape = errors, invalid, shape
        self.milliseconds, self.decline = milliseconds, decline

    def answer(self, rng: Random, count: int) -> Counts:
        made: dict[str, int] = dict.fromkeys(
            ("errors", "invalid", "approve", "review", "decline"), 0
        )
        scores, latencies = [0] * SCORE_BINS, [0] * (len(LATENCY_EDGES) + 1)
        for _ in range(count):
            seconds = rng.lognormvariate(0, 0.4) * self.milliseconds / 1000
            latencies[sum(seconds > edge for edge in LATENCY_EDGES)] += 1
            drawn = rng.random()
            if drawn < self.errors:
                made["errors"] += 1
                continue
            if drawn < self.errors + self.invalid:
                made["invalid"] += 1
                continue
            score = rng.betavariate(*self.shape)
            scores[min(int(score * SCORE_BINS), SCORE_BINS - 1)] += 1
            decision = (
                "decline" if score >= self.decline else "review" if score >= 0.4 else "approve"
            )
            made[decision] += 1
        return Counts(requests=count, scores=tuple(scores), latencies=tuple(latencies), **made)


GOOD = Model()


def look(
    candidate: Model,
    *,
    seed: int,
    requests: int = 400,
    against: int = 4000,
    final: bool = True,
    steps: int = 3,
    **more: Any,
) -> Comparison:
    rng = Random(seed)
    return compare(
        candidate.answer(rng, requests),
        GOOD.answer(rng, against),
        ALLOWED,
        min_requests=200,
        steps=steps,
        final=final,
        **more,
    )


def test_an_identical_model_passes() -> None:
    outcomes = [look(GOOD, seed=seed).outcome for seed in range(100)]
    assert outcomes.count("pass") >= 99
    assert "inconclusive" not in outcomes


def test_an_identical_model_is_seldom_refused_however_often_it_is_looked_at() -> None:
    """100 steps with a look every 20 transactions of the candidate: the bound is for a roll-out of
    three steps, so that a step may be refused with a third of its probability."""
    refused = 0
    # Tolerances of nothing, so that only chance stands between an equal model and its refusal.
    strict = Tolerances(errors=0.0, invalid=0.0, decisions=0.0, scores=0.0, latency=1.0)
    noisy = Model(errors=0.02, invalid=0.01)
    for seed in range(100):
        rng = Random(seed)
        ours, theirs = Counts(), Counts()
        for turn in range(20):
            ours = added((ours, noisy.answer(rng, 20)))
            theirs = added((theirs, noisy.answer(rng, 80)))
            last = turn == 19
            found = compare(ours, theirs, strict, min_requests=200, steps=3, final=last)
            if found.outcome == "fail":
                refused += 1
                break
    assert refused <= 100 * FALSE_ALARM / 3 + 1


@pytest.mark.parametrize(
    ("candidate", "measure"),
    [
        (Model(errors=0.03), "errors"),
        (Model(invalid=0.03), "invalid"),
        (Model(milliseconds=8.0), "latency"),
        (Model(decline=0.3), "declined"),
        (Model(shape=(1.2, 4.0)), "reviewed"),
        (Model(shape=(0.6, 2.5)), "reviewed"),
    ],
)
def test_a_worse_model_fails_and_the_measure_is_named(candidate: Model, measure: str) -> None:
    found = [look(candidate, seed=seed, requests=1000, against=9000) for seed in range(20)]
    assert [one.outcome for one in found] == ["fail"] * 20
    assert {one.measure for one in found} <= {measure, "scores", "declined"}
    assert any(one.measure == measure for one in found)


def test_scores_that_moved_without_a_decision_fail() -> None:
    low = replace_scores(Counts(requests=1000, approve=1000), 2)
    high = replace_scores(Counts(requests=1000, approve=1000), 9)
    found = compare(low, high, ALLOWED, min_requests=200, steps=1, final=True)
    assert (found.outcome, found.measure) == ("fail", "scores")


def test_a_dead_candidate_is_noticed_after_a_few_transactions() -> None:
    rng = Random(7)
    ours, theirs = Model(errors=1.0).answer(rng, 8), GOOD.answer(rng, 800)
    found = compare(ours, theirs, ALLOWED, min_requests=200, steps=3, final=False)
    assert (found.outcome, found.measure) == ("fail", "errors")
    assert "8 of 8" in found.message


def test_one_error_among_few_condemns_nobody() -> None:
    ours = Counts(requests=3, errors=1, approve=2)
    theirs = Counts(requests=10_000, approve=10_000)
    found = compare(ours, theirs, ALLOWED, min_requests=200, steps=3, final=False)
    assert found.outcome == "inconclusive"


def test_too_little_traffic_is_inconclusive_and_says_how_much_is_missing() -> None:
    found = look(GOOD, seed=1, requests=199)
    assert found.outcome == "inconclusive"
    assert "199 transactions of the candidate" in found.message
    assert "200 of each are needed" in found.message
    assert look(GOOD, seed=1, requests=4000, against=199).outcome == "inconclusive"
    assert look(GOOD, seed=1, requests=0, against=0, final=False).outcome == "inconclusive"


def test_a_look_before_the_end_never_passes() -> None:
    assert look(GOOD, seed=1, requests=4000, final=False).outcome == "inconclusive"


def test_a_significant_difference_that_is_tolerated_passes() -> None:
    ours = Counts(requests=100_000, approve=94_000, decline=6_000)
    theirs = Counts(requests=100_000, approve=95_000, decline=5_000)
    assert compare(ours, theirs, ALLOWED, min_requests=1, steps=1, final=True).outcome == "pass"
    strict = replace(ALLOWED, decisions=0.005)
    found = compare(ours, theirs, strict, min_requests=1, steps=1, final=True)
    assert (found.outcome, found.measure) == ("fail", "declined")
    assert "6.00% (6000 of 100000) against 5.00%" in found.message


def test_other_thresholds_are_meant_to_decide_otherwise() -> None:
    assert look(Model(decline=0.3), seed=1, requests=2000).measure in ("declined", "reviewed")
    assert look(Model(decline=0.3), seed=1, requests=2000, same_model=True).outcome == "pass"


def test_a_fast_model_that_became_a_little_less_fast_passes() -> None:
    """From 0.05 to 0.5 ms is ten times as slow, and nothing that anybody waits for."""
    rng = Random(3)
    ours = Model(milliseconds=0.5).answer(rng, 2000)
    theirs = Model(milliseconds=0.05).answer(rng, 2000)
    assert compare(ours, theirs, ALLOWED, min_requests=200, steps=3, final=True).outcome == "pass"


@pytest.mark.parametrize(
    ("seen", "drawn", "marked", "everything"), [(3, 5, 6, 40), (1, 3, 1, 10_003), (10, 10, 12, 30)]
)
def test_the_tail_is_the_exact_one(seen: int, drawn: int, marked: int, everything: int) -> None:
    exact = sum(
        comb(marked, k) * comb(everything - marked, drawn - k)
        for k in range(seen, min(drawn, marked) + 1)
    ) / comb(everything, drawn)
    found = comparing._upper_tail(seen, drawn, marked, everything)
    assert found == pytest.approx(exact, rel=1e-9)


def replace_scores(counts: Counts, at: int) -> Counts:
    scores = [0] * SCORE_BINS
    scores[at] = counts.requests
    latencies = (0, 0, counts.requests, *([0] * (len(LATENCY_EDGES) - 2)))
    return Counts(
        requests=counts.requests, approve=counts.approve, scores=tuple(scores), latencies=latencies
    )
