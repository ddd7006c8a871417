"""A version against the one that serves: what the report says of it, and that nothing depends on
it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraud_scorer.artifact.manifest import Bins, Feature, Golden, Manifest, Reference, Thresholds
from fraud_scorer.artifact.plan import PlannedModel, as_revision
from fraud_scorer.artifact.verdict import Verdict
from fraud_scorer.verification import compare
from fraud_scorer.verification.findings import Findings
from tests.unit.scorer.support import GOLDEN, classifier, manifest_of, publish_to

from .conftest import Way

HALVES = Bins(edges=(0.0, 1.0, 2.0), shares=(0.5, 0.5))


def test_the_stability_index_is_the_textbooks() -> None:
    other = Bins(edges=(0.0, 1.0, 2.0), shares=(0.8, 0.2))
    textbook = (0.5 - 0.8) * math.log(0.5 / 0.8) + (0.5 - 0.2) * math.log(0.5 / 0.2)
    assert compare.stability(HALVES, other) == pytest.approx(textbook)
    assert compare.stability(HALVES, HALVES) == 0


def test_other_edges_are_cut_at_ours() -> None:
    fine = Bins(edges=(0.0, 0.5, 1.0, 1.5, 2.0), shares=(0.25, 0.25, 0.25, 0.25))
    assert compare.stability(HALVES, fine) == pytest.approx(0)
    wide = Bins(edges=(-1.0, 3.0), shares=(1.0,))
    assert compare.stability(HALVES, wide) == pytest.approx(0)
    beyond = Bins(edges=(5.0, 6.0), shares=(1.0,))
    assert compare.stability(HALVES, beyond) > 1


def with_reference(**features: Bins) -> Manifest:
    names = [Feature(name=name, type="number") for name in features]
    found = manifest_of(names, dict.fromkeys(features, 0.0))
    return msgspec.structs.replace(found, reference=Reference(features=features, score=HALVES))


def test_the_features_that_moved_most_come_first() -> None:
    far = Bins(edges=(0.0, 1.0, 2.0), shares=(0.99, 0.01))
    near = Bins(edges=(0.0, 1.0, 2.0), shares=(0.55, 0.45))
    ours = with_reference(a=HALVES, b=HALVES, c=HALVES, new=HALVES)
    theirs = with_reference(a=near, b=far, c=HALVES, gone=HALVES)
    assert [one.feature for one in compare.moved(ours, theirs)] == ["b", "a", "c"]
    many = {f"f{i}": HALVES for i in range(30)}
    assert len(compare.moved(with_reference(**many), with_reference(**many))) == compare.MOST_MOVED


class Amount:
    """Scores a transaction by its only feature."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def score_one(self, row: Any) -> float:
        return float(row[0]) * self.factor


def side(factor: float, thresholds: Thresholds | None, *labels: tuple[float, str]) -> compare.Side:
    found = manifest_of([Feature(name="amount", type="number")], {"amount": 0.0})
    golden = [
        Golden(features={"amount": amount}, score=0.0, label=label)  # type: ignore[arg-type]
        for amount, label in labels
    ]
    model: Any = Amount(factor)
    return compare.Side(
        model, msgspec.structs.replace(found, golden=tuple(golden) or found.golden), thresholds
    )


STRICT = Thresholds(review="0.2", decline="0.4")
MILD = Thresholds(review="0.5", decline="0.9")


def tried(*found: float, weights: tuple[float, ...] = ()) -> compare.Trial:
    return compare.Trial(found, found, weights or (1 / len(found),) * len(found))


def test_decisions_are_compared_each_by_its_own_thresholds() -> None:
    found = compare.decisions(side(1, STRICT), side(1, MILD), tried(0.1, 0.3, 0.45, 0.95))
    assert found is not None
    assert found.candidate == (0.25, 0.25, 0.5)
    assert found.active == (0.75, 0.0, 0.25)
    assert found.moves == ((0.25, 0.25, 0.25), (0, 0, 0), (0, 0, 0.25))
    assert found.changed == 0.5


def test_transactions_count_by_their_weights() -> None:
    both = tried(0.1, 0.95, weights=(0.99, 0.01))
    found = compare.decisions(side(1, MILD), side(1, MILD), both)
    assert found is not None
    assert found.candidate == (0.99, 0.0, 0.01)
    assert found.changed == 0
    assert compare.scores(side(1, MILD), both).candidate[2] == 0.99


def test_without_thresholds_there_are_no_decisions() -> None:
    assert compare.decisions(side(1, None), side(1, MILD), tried(0.1)) is None
    alone = compare.decisions(side(1, MILD), None, tried(0.1, 0.6))
    assert alone is not None
    assert (alone.candidate, alone.active, alone.changed) == ((0.5, 0.5, 0.0), None, None)


def test_scores_are_as_frequent_as_where_the_version_was_published() -> None:
    """However often the sample meets them."""
    candidate = side(1, MILD)
    seen = Bins(edges=(0.0, 0.5, 1.0), shares=(0.98, 0.02))
    manifest = msgspec.structs.replace(
        candidate.manifest, reference=Reference(features={}, score=seen)
    )
    candidate = compare.Side(candidate.model, manifest, MILD)
    rows: list[Any] = [{"amount": amount} for amount in (0.1, 0.6, 0.7, 0.95)]
    both = compare.trial(candidate, side(0.5, MILD), rows, [0.1, 0.6, 0.7, 0.95])
    assert both.ours == [0.1, 0.6, 0.7, 0.95]
    assert both.theirs == [0.05, 0.3, 0.35, 0.475]
    assert both.weights == pytest.approx([0.98, 0.02 / 3, 0.02 / 3, 0.02 / 3])
    found = compare.decisions(candidate, side(0.5, MILD), both)
    assert found is not None
    assert found.candidate == pytest.approx((0.98, 0.04 / 3, 0.02 / 3))
    assert found.changed == pytest.approx(0.02)


def test_precision_and_recall_are_counted_over_labels() -> None:
    labels = [(0.6, "fraud"), (0.1, "fraud"), (0.7, "genuine"), (0.2, "genuine"), (0.95, "fraud")]
    found = compare.labelled(side(1, MILD, *labels), side(0.5, MILD))
    assert found is not None
    assert (found.fraud, found.genuine) == (3, 2)
    assert found.candidate.precision == pytest.approx(2 / 3)
    assert found.candidate.recall == pytest.approx(2 / 3)
    assert found.active is not None
    assert found.active.precision is None  # nothing reaches half of it
    assert found.active.recall == 0.0
    assert compare.labelled(side(1, MILD), None) is None


def revision_of(verdict: Verdict) -> PlannedModel:
    assert verdict.manifest is not None
    assert verdict.model is not None
    return as_revision(
        version=verdict.version,
        digest=verdict.digest,
        manifest=verdict.manifest,
        model=verdict.model,
        thresholds=MILD,
        reasons=4,
    )


def report(bucket: Path, verdict: Verdict) -> Findings:
    data = (bucket / verdict.report.replace(".html", ".json")).read_bytes()
    return msgspec.json.decode(data, type=Findings)


@pytest.mark.slow
def test_the_report_compares_with_the_version_that_serves(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    rows = [{**GOLDEN[0], "amount": float(amount)} for amount in range(5, 1000, 5)]
    publish_to(bucket, "v1", reference=rows)
    labels = ["genuine", "fraud"]
    publish_to(
        bucket,
        "v2",
        estimator=classifier(1),
        reference=[{**one, "age": 5.0} for one in rows[100:]],
        golden_labels=labels,
    )
    active = revision_of(way.all("v1"))
    found = report(bucket, Way(tmp_path / "second", way.store).all("v2", active=active))
    assert found.active is not None
    assert (found.active.version, found.active.missing) == ("v1", "")
    assert found.scores is not None
    assert found.scores.rows == 2000
    assert found.scores.active is not None
    assert sum(found.scores.active) == pytest.approx(1)
    assert sum(found.scores.candidate) == pytest.approx(1)
    assert found.scores.origin == "the reference distributions of the manifest"
    assert found.decisions is not None
    assert sum(map(sum, found.decisions.moves)) == pytest.approx(1)
    assert found.decisions.changed is not None
    assert found.labelled is not None
    assert (found.labelled.fraud, found.labelled.genuine) == (1, 1)
    assert found.labelled.active is not None
    assert found.moved[0].feature in ("amount", "age")
    assert {one.name: one.outcome for one in found.checks} == {
        "signature": "skipped",
        "files": "passed",
        "load": "passed",
        "golden": "passed",
        "inputs": "passed",
        "speed": "passed",
        "scores": "passed",
        "kept": "passed",
    }


@pytest.mark.usefixtures("version")
def test_an_active_version_that_cannot_be_had_is_said_and_no_more(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    active = revision_of(way.all())
    (bucket / active.model.path).unlink()
    verdict = Way(tmp_path / "second", way.store).all(active=active)
    assert verdict.outcome == "Proven"
    found = report(bucket, verdict)
    assert found.active is not None
    assert "cannot be had" in found.active.missing
    assert found.scores is not None
    assert found.scores.active is None


@pytest.mark.slow
def test_versions_with_other_features_are_compared_by_what_each_takes(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    from tests.unit.scorer.support import NUMBERS, linear

    publish_to(bucket, "v1")
    publish_to(
        bucket,
        "v2",
        estimator=linear(),
        features=NUMBERS,
        golden=[{"a": 1.0, "b": 0.5}, {"a": -1.0, "b": 0.0}],
    )
    active = revision_of(way.all("v1"))
    found = report(
        bucket,
        Way(tmp_path / "second", way.store).all("v2", active=active, allow_input_changes=True),
    )
    assert found.scores is not None
    assert found.scores.active is not None
