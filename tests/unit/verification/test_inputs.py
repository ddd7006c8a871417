"""A version is refused where callers of the one that serves would be, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.features import Lookup
from fraud_scorer.artifact.manifest import MAX_NUMBER, Feature, Manifest, Value
from fraud_scorer.artifact.store import StoreUnreachable
from fraud_scorer.problem import Problem
from fraud_scorer.registry.inputs import Inputs, sent
from fraud_scorer.verification.inputs import changes, require_same
from fraud_scorer.verification.refusal import Refusal
from tests.unit.scorer.support import GOLDEN, NUMBERS, linear, manifest_of, publish_to

from .conftest import Way, rewrite
from .conftest import manifest_of as published_manifest
from .test_compare import report, revision_of

AMOUNT = Feature(name="amount", type="number", minimum=0)
COUNTRY = Feature(name="country", type="category", categories=("DE", "FR"))
CITIES = tuple(f"city {number}" for number in range(20))


def of(*features: Feature) -> Manifest:
    return msgspec.structs.replace(manifest_of(features, GOLDEN[0]), version="v1")


def changed(feature: Feature, **fields: Any) -> Feature:
    return msgspec.structs.replace(feature, **fields)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([AMOUNT, COUNTRY], [AMOUNT], "country is not sent today"),
        ([AMOUNT, changed(COUNTRY, nullable=True)], [AMOUNT], "country is not sent today"),
        ([AMOUNT], [AMOUNT, COUNTRY], "country is sent today, and would not be taken"),
        (
            [changed(COUNTRY, name="amount")],
            [AMOUNT],
            "amount is a number today, and would have to be a category",
        ),
        ([AMOUNT], [changed(AMOUNT, nullable=True)], "amount may be null today"),
        (
            [changed(AMOUNT, minimum=1)],
            [AMOUNT],
            "amount would have to be at least 1, today 0",
        ),
        (
            [changed(AMOUNT, maximum=9)],
            [AMOUNT],
            "amount would have to be at most 9, and has no such limit today",
        ),
        (
            [COUNTRY],
            [changed(COUNTRY, categories=("DE", "FR", "IT", "ES"))],
            "country may be IT or ES today",
        ),
        ([COUNTRY], [changed(COUNTRY, categories=None)], "country may be any category today"),
    ],
)
def test_what_is_narrower_is_named(ours: list[Feature], theirs: list[Feature], said: str) -> None:
    assert [f"{name} {what}" for name, what in changes(of(*ours), of(*theirs))] == [said]
    with pytest.raises(Refusal, match=said) as caught:
        require_same(of(*ours), of(*theirs))
    assert caught.value.reason == "InputsChanged"
    assert "allowInputChanges" in caught.value.message
    assert caught.value.expected == "the inputs of v1"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([COUNTRY, AMOUNT], [AMOUNT, COUNTRY]),
        ([changed(AMOUNT, nullable=True, minimum=-5)], [AMOUNT]),
        ([changed(COUNTRY, categories=None)], [COUNTRY]),
        ([AMOUNT], [changed(AMOUNT, minimum=1, maximum=2)]),
        ([changed(AMOUNT, reason="HIGH_AMOUNT")], [AMOUNT]),
    ],
)
def test_what_is_as_wide_is_taken(ours: list[Feature], theirs: list[Feature]) -> None:
    require_same(of(*ours), of(*theirs))


def test_what_is_kept_of_entities_is_no_callers_matter() -> None:
    segment = Lookup(entity="customer", attribute="segment", default="new")
    kept = Feature(name="segment", type="category", source=segment)
    require_same(of(AMOUNT, kept), of(AMOUNT))
    require_same(of(AMOUNT), of(AMOUNT, kept))


def test_of_many_changes_some_are_named() -> None:
    many = [Feature(name=f"x{number}", type="number") for number in range(30)]
    with pytest.raises(Refusal) as caught:
        require_same(of(*many), of(changed(COUNTRY, categories=CITIES)))
    assert "and 23 more" in caught.value.message


FEATURES = st.builds(
    Feature,
    name=st.sampled_from(["a", "b"]),
    type=st.just("number"),
    nullable=st.booleans(),
    minimum=st.sampled_from([None, -1.0, 0.0]),
    maximum=st.sampled_from([None, 1.0, 2.0]),
) | st.builds(
    Feature,
    name=st.sampled_from(["a", "b"]),
    type=st.just("category"),
    nullable=st.booleans(),
    categories=st.sampled_from([None, ("x",), ("x", "y")]),
)
MANIFESTS = st.lists(FEATURES, min_size=1, unique_by=lambda one: one.name).map(lambda all: of(*all))
VALUES: list[Value] = [None, -MAX_NUMBER, -1.0, 0.0, 1.0, 2.0, MAX_NUMBER, "x", "y", "z"]


@settings(max_examples=200, deadline=None)
@given(candidate=MANIFESTS, active=MANIFESTS)
def test_it_is_refused_just_where_a_request_would_be(candidate: Manifest, active: Manifest) -> None:
    """Whatever the active version takes is tried on the candidate, at the ends of every range."""
    rows: list[dict[str, Value]] = [{}]
    for feature in sent(active):
        rows = [{**row, feature.name: value} for row in rows for value in VALUES]
    taken = [row for row in rows if takes(active, row)]
    refused = [row for row in taken if not takes(candidate, row)]
    assert bool(list(changes(candidate, active))) == bool(refused)


def takes(manifest: Manifest, row: dict[str, Value]) -> bool:
    try:
        Inputs(manifest).row(row)
    except Problem:
        return False
    return True


@pytest.mark.usefixtures("version")
def test_the_judge_refuses_other_inputs_unless_callers_were_changed(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    active = revision_of(way.all("v1"))
    publish_to(
        bucket,
        "v2",
        estimator=linear(),
        features=NUMBERS,
        golden=[{"a": 1.0, "b": 0.5}, {"a": -1.0, "b": 0.0}],
    )
    verdict = Way(tmp_path / "refused", way.store).all("v2", active=active)
    assert (verdict.outcome, verdict.reason) == ("Refused", "InputsChanged")
    assert "a is not sent today" in verdict.message
    assert "amount is sent today, and would not be taken" in verdict.message
    checks = {one.name: one.outcome for one in report(bucket, verdict).checks}
    assert (checks["golden"], checks["inputs"], checks["speed"]) == ("passed", "failed", "skipped")
    allowed = Way(tmp_path / "allowed", way.store).all(
        "v2", active=active, allow_input_changes=True
    )
    assert allowed.outcome == "Proven"
    first = Way(tmp_path / "first", way.store).all("v2")
    assert first.outcome == "Proven", "where none serves there is nothing to compare with"


class Away(DirectoryStore):
    """Has what serves, but cannot be asked for it just now."""

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        raise StoreUnreachable(f"{path}: no answer")


@pytest.mark.usefixtures("version")
def test_a_store_that_is_away_lets_nothing_by_unseen(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    active = revision_of(way.all("v1"))
    second = Way(tmp_path / "second", way.store, Away(bucket))
    with pytest.raises(StoreUnreachable):
        second.all("v1", active=active)


@pytest.mark.usefixtures("version")
def test_a_narrower_range_is_refused_by_the_judge(way: Way, bucket: Path, tmp_path: Path) -> None:
    active = revision_of(way.all("v1"))
    first, *others = published_manifest(bucket / "v1").features
    assert first.type == "number"
    rewrite(bucket / "v1", features=(msgspec.structs.replace(first, maximum=1e6), *others))
    verdict = Way(tmp_path / "second", way.store).all("v1", active=active)
    assert (verdict.outcome, verdict.reason) == ("Refused", "InputsChanged")
    assert f"{first.name} would have to be at most 1e+06" in verdict.message
