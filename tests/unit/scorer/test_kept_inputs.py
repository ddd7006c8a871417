"""Inputs of a model that has features kept of entities: who gives what, and what is refused."""

from __future__ import annotations

import pytest

from fraud_scorer.artifact.features import Lookup, Window
from fraud_scorer.artifact.manifest import Feature, Value
from fraud_scorer.problem import Problem
from fraud_scorer.registry.inputs import Inputs, example_features
from tests.unit.scorer.support import manifest_of

FEATURES = (
    Feature(name="a", type="number", minimum=0),
    Feature(
        name="seen",
        type="number",
        source=Window(entity="customer", aggregate="count", window="1d", bucket="1h", default=0.5),
    ),
    Feature(
        name="segment",
        type="category",
        source=Lookup(entity="customer", attribute="segment", default="unknown"),
    ),
)
GOLDEN: dict[str, Value] = {"a": 1.0, "seen": 2.0, "segment": "new"}
MANIFEST = manifest_of(FEATURES, GOLDEN)


def test_the_row_has_what_is_kept_in_its_place() -> None:
    kept: dict[str, Value] = {"seen": 7.0, "segment": "old"}
    assert Inputs(MANIFEST).row({"a": 3.0}, kept) == (3.0, 7.0, "old")


def test_what_is_not_known_has_the_populations_values() -> None:
    assert Inputs(MANIFEST).row({"a": 3.0}) == (3.0, 0.5, "unknown")


def test_an_attribute_of_another_type_is_not_known() -> None:
    kept: dict[str, Value] = {"seen": 7.0, "segment": 4.0}
    assert Inputs(MANIFEST).row({"a": 3.0}, kept) == (3.0, 7.0, "unknown")


@pytest.mark.parametrize("kept", [None, {"seen": 7.0, "segment": "old"}])
def test_a_caller_cannot_send_it(kept: dict[str, Value] | None) -> None:
    with pytest.raises(Problem) as caught:
        Inputs(MANIFEST).row({"a": 3.0, "seen": 1.0}, kept)
    assert caught.value.status == 422
    (error,) = caught.value.document.errors
    assert (error.pointer, error.detail) == (
        "#/features/seen",
        "is kept by the service: leave it out",
    )


@pytest.mark.parametrize(
    ("given", "pointer"),
    [({}, "#/features/a"), ({"a": -1.0}, "#/features/a"), ({"a": 1.0, "b": 1.0}, "#/features/b")],
)
def test_what_is_sent_is_checked_as_ever(given: dict[str, Value], pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        Inputs(MANIFEST).row(given)
    assert [one.pointer for one in caught.value.document.errors] == [pointer]


def test_a_model_of_kept_features_alone_takes_none() -> None:
    inputs = Inputs(manifest_of(FEATURES[1:], {"seen": 2.0, "segment": "new"}))
    assert inputs.row({}, {"seen": 1.0, "segment": "old"}) == (1.0, "old")


def test_the_whole_row_is_given_by_whoever_explains_one() -> None:
    assert Inputs(MANIFEST).whole_row(GOLDEN) == (1.0, 2.0, "new")
    with pytest.raises(Problem):
        Inputs(MANIFEST).whole_row({"a": 1.0})


def test_an_example_has_what_a_request_brings() -> None:
    assert example_features(MANIFEST) == {"a": 1.0}
