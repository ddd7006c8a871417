"""Feature selectors: all of them end in a fixed choice of columns."""

from __future__ import annotations

from typing import Any

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import transformer


@transformer(
    "sklearn.SelectKBest",
    "sklearn.SelectPercentile",
    "sklearn.SelectFpr",
    "sklearn.SelectFdr",
    "sklearn.SelectFwe",
    "sklearn.GenericUnivariateSelect",
    "sklearn.SelectFromModel",
    "sklearn.SequentialFeatureSelector",
    "sklearn.RFE",
    "sklearn.RFECV",
    "sklearn.VarianceThreshold",
)
def select(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """The chosen columns; what the selector refuses is refused."""
    if not fitted.__sklearn_tags__().input_tags.allow_nan:
        builder.check(builder.numbers(x))
    return x.take(fitted.get_support(indices=True))
