"""Contributions against Shapley values counted out over all coalitions, with the model itself as
the value of a coalition: what is not in it shows the reference row's value.

The oracle knows nothing of trees. It also covers encoders (a category's columns move together),
missing values on either side, and category sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from fraud_scorer.compile import Refused, compile_model
from fraud_scorer.engine import Model, load
from tests.unit.engine.catalogue import BY_NAME, CATEGORIES, NUMBERS, fitted, logistic, table
from tests.unit.engine.data import Row, Spec

TREES = [
    "tree-entropy-missing",
    "forest",
    "forest-purity-missing",
    "gradient",
    "gradient-exponential",
    "hist-missing",
    "hist-categories",
    "bagging-trees",
    "voting",
    "bins-ordinal",
    "imputer-indicator",
    "onehot-drop",
    "onehot-infrequent",
    "ordinal",
    "imputed-categories",
]
"""Models whose explained value is a sum over trees, so that the values are exact Shapley values."""

COMPOSED = [
    "voting-weights",
    "sigmoid-forest",
    "isotonic-forest",
    "temperature-forest",
    "temperature-hist",
    "isolation",
    "bagging-linear",
    "calibrated-bag",
    "voting-of-pipelines",
    "sgd-huber",
    "sigmoid-linear",
]
"""Models where a curve stands between the sums and the explained value."""


@cache
def explained(name: str) -> Model:
    case = BY_NAME[name]
    train = table(case.kind)
    return load(compile_model(fitted(name), train.specs, reference=train.frame))


def reference_of(model: Model) -> Row:
    """The reference row as values."""
    made: list[Any] = []
    for one, number in zip(model.inputs, model._core.reference(), strict=False):
        if math.isnan(number):
            made.append(None)
        else:
            made.append(one.categories[int(number)] if one.categories else number)
    return tuple(made)


def shapley(value: Callable[[Row], float], row: Row, reference: Row) -> list[float]:
    """By definition: the mean of each player's marginal contribution over all orders."""
    n = len(row)
    known: dict[tuple[int, ...], float] = {}

    def worth(members: tuple[int, ...]) -> float:
        if members not in known:
            mixed = tuple(row[i] if i in members else reference[i] for i in range(n))
            known[members] = value(mixed)
        return known[members]

    made = []
    for player in range(n):
        others = [i for i in range(n) if i != player]
        total = 0.0
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for members in combinations(others, size):
                joined = tuple(sorted((*members, player)))
                total += weight * (worth(joined) - worth(members))
        made.append(total)
    return made


def contributions(model: Model, row: Row) -> list[float]:
    found = dict(model.explain(row, 100))
    return [found.get(one.name, 0.0) for one in model.inputs]


@pytest.mark.parametrize("name", TREES)
def test_exact_shapley_values(name: str) -> None:
    model = explained(name)
    reference = reference_of(model)
    rows = table(BY_NAME[name].kind, 500, 0).rows
    for row in (rows[3], rows[11]):
        expected = shapley(model.explained_value, row, reference)
        np.testing.assert_allclose(contributions(model, row), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", TREES + COMPOSED)
def test_contributions_add_up(name: str) -> None:
    model = explained(name)
    for row in table(BY_NAME[name].kind, 12, 21).rows:
        difference = model.explained_value(row) - model.reference_value
        assert sum(contributions(model, row)) == pytest.approx(difference, abs=1e-9)


def test_linear_is_coefficient_times_distance_from_the_mean() -> None:
    case, train = BY_NAME["logistic"], table("numbers")
    scaler, linear = fitted(case.name)
    model = explained(case.name)
    columns = scaler.transform(train.frame)
    for row, values in list(zip(train.rows, columns, strict=True))[:30]:
        expected = linear.coef_[0] * (values - columns.mean(axis=0))
        np.testing.assert_allclose(contributions(model, row), expected, rtol=0, atol=1e-12)


def test_columns_of_one_encoder_are_one_reason() -> None:
    train = table("mixed")
    columns, linear = fitted("onehot-sparse")
    model = explained("onehot-sparse")
    made = np.asarray(columns.transform(train.frame).todense())
    parts = linear.coef_[0] * (made - made.mean(axis=0))
    owners = NUMBERS + [
        name.split("_")[0]
        for name in columns.named_transformers_["categories"].get_feature_names_out(CATEGORIES)
    ]
    for row, values in list(zip(train.rows, parts, strict=True))[:30]:
        expected = dict.fromkeys(NUMBERS + CATEGORIES, 0.0)
        for owner, part in zip(owners, values, strict=True):
            expected[owner] += part
        np.testing.assert_allclose(contributions(model, row), list(expected.values()), atol=1e-12)


def test_largest_first_and_no_more_than_asked() -> None:
    model = explained("forest")
    row = table("numbers").rows[5]
    every = model.explain(row, 100)
    sizes = [abs(one.contribution) for one in every]
    assert sizes == sorted(sizes, reverse=True)
    assert all(sizes)
    for top in range(len(every) + 1):
        assert model.explain(row, top) == every[:top]


def test_the_reference_itself_has_no_reasons() -> None:
    model = explained("hist-categories")
    assert model.explain(reference_of(model), 10) == ()


def test_units() -> None:
    assert explained("forest").header.explained == "probability"
    assert explained("hist-missing").header.explained == "log-odds"
    assert explained("isolation").header.explained == "anomaly"


def test_a_given_reference_row() -> None:
    train = table("numbers")
    row = train.rows[7]
    model = load(compile_model(fitted("forest"), train.specs, reference_row=row))
    assert reference_of(model) == row
    assert model.reference_value == model.explained_value(row)
    with pytest.raises(Refused, match="n0 is infinite"):
        compile_model(fitted("forest"), train.specs, reference_row=(math.inf, *row[1:]))


def test_the_first_class_has_the_opposite_reasons() -> None:
    train = table("numbers")
    for name in ("gradient", "logistic", "forest"):
        second = explained(name)
        first = load(compile_model(fitted(name), train.specs, reference=train.frame, positive=0))
        assert first.header.explained == second.header.explained
        row = train.rows[9]
        expected = [-v for v in contributions(second, row)]
        np.testing.assert_allclose(contributions(first, row), expected, rtol=0, atol=1e-12)


def test_without_reference_rows() -> None:
    train = table("numbers")
    model = load(compile_model(fitted("forest"), train.specs))
    assert not model.explains
    with pytest.raises(ValueError, match="without reference rows"):
        model.explain(train.rows[0], 3)


def test_products_of_inputs_have_no_reasons() -> None:
    train = table("numbers", 200, 1)
    model = make_pipeline(PolynomialFeatures(2), logistic()).fit(train.frame / 1e3, train.y)
    with pytest.raises(Refused, match="several inputs"):
        compile_model(model, train.specs, reference=train.frame)
    assert not load(compile_model(model, train.specs)).explains


def test_many_inputs() -> None:
    """More players than fit a machine word, and paths with many of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 90))
    y = (x.sum(axis=1) > 0).astype(int)
    forest = RandomForestClassifier(20, max_features=3, random_state=0).fit(x, y)
    specs = [Spec(f"f{i}", "number", False) for i in range(90)]
    model = load(compile_model(forest, specs, reference=x))
    for row in x[:20]:
        values = row.tolist()
        total = sum(c for _, c in model.explain(values, 90))
        assert total == pytest.approx(
            model.explained_value(values) - model.reference_value, abs=1e-9
        )


def test_reference_rows_that_are_refused_do_not_count() -> None:
    train = table("numbers", 100, 2)
    linear = LogisticRegression().fit(train.frame, train.y)
    holes = train.frame.copy()
    holes[::2, 3] = np.nan
    model = load(compile_model(linear, train.specs, reference=holes))
    expected = linear.coef_[0] * (train.frame[1] - train.frame[1::2].mean(axis=0))
    np.testing.assert_allclose(contributions(model, train.rows[1]), expected, rtol=0, atol=1e-12)
