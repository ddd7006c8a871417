"""The quick check of a row and the one that names what is wrong agree on what is right."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraud_scorer.artifact.manifest import MAX_NUMBER, Feature, Value, value_problem
from fraud_scorer.problem import Problem
from fraud_scorer.registry.inputs import Inputs
from tests.unit.scorer.support import manifest_of

BOUNDED = Feature(name="x", type="number", minimum=-1, maximum=2)
KINDS = [
    Feature(name="x", type="number"),
    BOUNDED,
    Feature(name="x", type="number", nullable=True),
    Feature(name="x", type="category"),
    Feature(name="x", type="category", nullable=True, categories=("a", "b\u0000", "")),
]
values = st.none() | st.floats(allow_nan=False) | st.text(max_size=2)


@pytest.mark.parametrize("feature", KINDS, ids=repr)
@given(values)
@example(-1.0)
@example(math.nextafter(-1, -2))
@example(2.0)
@example(MAX_NUMBER)
@example(math.inf)
@example("a")
def test_a_row_is_right_where_each_value_is(feature: Feature, value: Value) -> None:
    inputs = Inputs(manifest_of([feature], {"x": value}))
    if value_problem(feature, value):
        with pytest.raises(Problem):
            inputs.row({"x": value})
    else:
        assert inputs.row({"x": value}) == (value,)


def test_more_and_fewer_than_it_takes() -> None:
    inputs = Inputs(manifest_of([BOUNDED, Feature(name="y", type="number")], {}))
    assert inputs.row({"y": 2.0, "x": 1.0}) == (1.0, 2.0)
    for given_features in ({"x": 1.0}, {"x": 1.0, "y": 2.0, "z": 3.0}, {"x": 1.0, "z": 2.0}, {}):
        with pytest.raises(Problem):
            inputs.row(given_features)


@pytest.mark.parametrize("name", ['a "b"', "a\\b", "a\nb", "é", "f0", "0 %"])
def test_names_of_any_kind(name: str) -> None:
    inputs = Inputs(manifest_of([Feature(name=name, type="number")], {}))
    assert inputs.row({name: 1.0}) == (1.0,)
    with pytest.raises(Problem):
        inputs.row({name: "x"})
    with pytest.raises(Problem):
        inputs.row({"f1": 1.0})
