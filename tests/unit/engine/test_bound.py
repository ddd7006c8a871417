"""The forward-error bound of docs/exactness.md on linear decision values, against exact rationals.

|computed - exact| <= gamma(n + 2) (sum |coefficient * value| + |intercept|), for the engine and for
scikit-learn alike, so the two differ by at most twice that.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fraud_scorer.compile import compile_model
from fraud_scorer.engine import load
from tests.unit.engine.catalogue import BY_NAME, fitted, table
from tests.unit.engine.comparing import compiled
from tests.unit.engine.data import Spec

UNIT = Fraction(1, 2**53)


def gamma(n: int) -> Fraction:
    return n * UNIT / (1 - n * UNIT)


def model_of(n: int, rng: np.random.Generator) -> Any:
    """A logistic regression with the given coefficients: cancelling ones, of all sizes."""
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = (rng.normal(size=n) * 10.0 ** rng.integers(-6, 6, n))[None]
    model.intercept_ = np.array([float(rng.normal() * 100)])
    model.n_features_in_ = n
    return model


@pytest.mark.parametrize("n", [1, 2, 20, 300])
def test_both_stay_within_the_bound(n: int) -> None:
    rng = np.random.default_rng(n)
    model = model_of(n, rng)
    specs = [Spec(f"f{i}", "number", False) for i in range(n)]
    engine = load(compile_model(model, specs))
    rows = rng.normal(size=(40, n)) * 10.0 ** rng.integers(-3, 5, (40, n))
    rows[:, -1] = -(rows[:, :-1] @ model.coef_[0, :-1]) / model.coef_[0, -1] if n > 1 else 1.0
    theirs = model.decision_function(rows)
    for row, their in zip(rows, theirs, strict=True):
        terms = [
            Fraction(float(c)) * Fraction(float(v))
            for c, v in zip(model.coef_[0], row, strict=True)
        ]
        intercept = Fraction(float(model.intercept_[0]))
        exact = sum(terms) + intercept
        bound = gamma(n + 2) * (sum(map(abs, terms)) + abs(intercept))
        ours = Fraction(engine.explained_value([float(v) for v in row]))
        assert abs(ours - exact) <= bound
        assert abs(Fraction(float(their)) - exact) <= bound
        assert abs(ours - Fraction(float(their))) <= 2 * bound


@pytest.mark.parametrize(
    "name", ["gradient", "gradient-exponential", "hist-missing", "hist-categories"]
)
def test_boosted_decision_values_are_exact(name: str) -> None:
    model, engine = fitted(name), compiled(BY_NAME[name])
    fresh = table(BY_NAME[name].kind, 300, 9)
    factor = 2.0 if name == "gradient-exponential" else 1.0
    theirs = factor * model.decision_function(fresh.frame)
    ours = [engine.explained_value(row) for row in fresh.rows]
    np.testing.assert_array_equal(np.array(ours), theirs)
