"""A row without a score says which feature and why, and is NaN in a batch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fraud_scorer.compile import compile_model
from fraud_scorer.engine import Model, RowError, load
from tests.unit.engine.catalogue import BY_NAME, fitted, table
from tests.unit.engine.comparing import compiled
from tests.unit.engine.data import Spec


@pytest.fixture(scope="module")
def linear() -> Model:
    return compiled(BY_NAME["logistic"])


@pytest.fixture(scope="module")
def mixed() -> Model:
    return compiled(BY_NAME["onehot-error"])


ROW = [1.0] * 8


def refusal(model: Model, row: object) -> RowError:
    with pytest.raises(RowError) as error:
        model.score_one(row)  # type: ignore[arg-type]
    return error.value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "missing"),
        (math.nan, "missing"),
        (math.inf, "infinite"),
        (-math.inf, "infinite"),
        ("12", "must be a number"),
        ([], "must be a number"),
        (10**400, "too large"),
    ],
)
def test_number(linear: Model, value: object, problem: str) -> None:
    row = [*ROW[:3], value, *ROW[4:]]
    error = refusal(linear, row)
    assert error.feature == "n3"
    assert problem in error.problem
    assert str(error).startswith("n3 ")
    scores = linear.score_rows([ROW, row, ROW])  # type: ignore[list-item]
    assert math.isnan(scores[1])
    assert scores[0] == scores[2] == linear.score_one(ROW)


@pytest.mark.parametrize(
    ("value", "problem"), [(3.0, "must be a string"), ("Atlantis", "does not know")]
)
def test_category(mixed: Model, value: object, problem: str) -> None:
    error = refusal(mixed, [*ROW, value, "web"])
    assert error.feature == "country"
    assert problem in error.problem


def test_null_where_the_manifest_takes_none() -> None:
    specs = [Spec(s.name, s.type, s.name != "n2") for s in table("numbers").specs]
    model = load(compile_model(fitted("hist"), specs))
    assert refusal(model, [*ROW[:2], None, *ROW[3:]]).feature == "n2"
    assert 0 <= model.score_one([None, *ROW[1:]]) <= 1


def test_float32_overflow_is_the_trees_own_limit() -> None:
    forest, hist = compiled(BY_NAME["forest"]), compiled(BY_NAME["hist"])
    row = [1e39, *ROW[1:]]
    assert refusal(forest, row).feature == "n0"
    assert 0 <= hist.score_one(row) <= 1


def test_dict_names(linear: Model) -> None:
    row = {f"n{i}": 1.0 for i in range(8)}
    assert linear.score_one(row) == linear.score_one(ROW)
    assert refusal(linear, row | {"n9": 1.0}).feature == "n9"
    del row["n4"]
    assert refusal(linear, row).feature == "n4"


def test_whole_numbers_and_booleans_are_numbers(linear: Model) -> None:
    assert linear.score_one([1, True, *ROW[2:]]) == linear.score_one(ROW)


def test_shape(linear: Model) -> None:
    with pytest.raises(ValueError, match="7 values for a model of 8"):
        linear.score_one(ROW[:7])
    with pytest.raises(TypeError, match="dict, a tuple or a list"):
        linear.score_one(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dict, a tuple or a list"):
        linear.score_rows([ROW, 3.0])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="doubles"):
        linear.score_matrix(np.zeros((2, 8), dtype=np.float32), np.zeros(2))
    with pytest.raises(ValueError, match="one row of inputs for each score"):
        linear.score_matrix(np.zeros((2, 7)), np.zeros(2))
    with pytest.raises((TypeError, BufferError, ValueError)):
        linear.score_matrix(np.zeros((2, 8)), bytes(16))
    assert linear.score_rows([]) == []


def test_an_overflow_on_the_way_is_refused_as_by_scikit_learn(linear: Model) -> None:
    row = [1e308] * 8
    model = fitted("logistic")
    with np.errstate(all="ignore"):
        try:
            theirs = float(model.predict_proba(np.array([row]))[0, 1])
        except ValueError:
            theirs = math.nan
    ours = linear.score_rows([row])[0]
    assert ours == theirs or (math.isnan(ours) and math.isnan(theirs))
