"""Every estimator and transformer that the compiler claims, as a model to fit: one row each.

A new family is a new row in one of the cases_*.py; test_parity.py, test_batches.py, test_oracle.py
and the long runs take their models from here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.unit.engine import (
    cases_categories,
    cases_ensembles,
    cases_libraries,
    cases_models,
    cases_numbers,
)
from tests.unit.engine.case import CATEGORIES, NUMBERS, Case, forest, logistic
from tests.unit.engine.data import Kind, Table, transactions

__all__ = [
    "BY_NAME",
    "CASES",
    "CATEGORIES",
    "NUMBERS",
    "Case",
    "fitted",
    "forest",
    "logistic",
    "scores",
    "table",
]

CASES = [
    *cases_models.CASES,
    *cases_ensembles.CASES,
    *cases_numbers.CASES,
    *cases_categories.CASES,
    *cases_libraries.CASES,
]
BY_NAME = {case.name: case for case in CASES}


@cache
def table(kind: Kind, n: int = 500, seed: int = 0) -> Table:
    return transactions(kind, n, seed)


@cache
def fitted(name: str, seed: int = 0, n: int = 500) -> Any:
    """The case's model on its data; fitted once a session."""
    case = BY_NAME[name]
    train = table(case.kind, n, seed)
    model = case.make(seed)
    return (
        model.fit(train.frame)
        if case.family == "IsolationForest"
        else model.fit(train.frame, train.y)
    )


def scores(case: Case, model: Any, frame: Any) -> np.ndarray[Any, Any]:
    """What scikit-learn says: the score as docs/exactness.md defines it."""
    if case.family == "IsolationForest":
        return np.asarray(-model.score_samples(frame))
    return np.asarray(model.predict_proba(frame)[:, 1])
