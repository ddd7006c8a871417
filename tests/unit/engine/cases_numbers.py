"""Pipelines whose transformers turn numbers into numbers."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import (
    GradientBoostingClassifier,
)
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from tests.unit.engine.case import (
    Case,
    forest,
    hist,
    logistic,
)
from tests.unit.engine.data import transactions

CASES = [
    Case(
        "standard",
        "Pipeline of numbers",
        lambda s: make_pipeline(StandardScaler(), forest(s)),
        "numbers",
        "exact",
    ),
    Case(
        "standard-scale-only",
        "Pipeline of numbers",
        lambda s: make_pipeline(StandardScaler(with_mean=False), forest(s)),
        "missing",
        "exact",
    ),
    Case(
        "min-max",
        "Pipeline of numbers",
        lambda s: make_pipeline(MinMaxScaler((-1, 1), clip=True), forest(s)),
        "missing",
        "exact",
    ),
    Case(
        "robust",
        "Pipeline of numbers",
        lambda s: make_pipeline(RobustScaler(quantile_range=(10, 90)), hist(s)),
        "missing",
        "rounded",
    ),
    Case(
        "max-abs",
        "Pipeline of numbers",
        lambda s: make_pipeline(MaxAbsScaler(), forest(s)),
        "numbers",
        "exact",
    ),
    Case(
        "imputer-indicator",
        "Pipeline of numbers",
        lambda s: make_pipeline(SimpleImputer(strategy="mean", add_indicator=True), forest(s)),
        "missing",
        "exact",
    ),
    Case(
        "imputer-constant",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            SimpleImputer(strategy="constant", fill_value=-999.5),
            GradientBoostingClassifier(n_estimators=5, random_state=s),
        ),
        "missing",
        "rounded",
    ),
    Case(
        "bins-ordinal",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            KBinsDiscretizer(
                6, encode="ordinal", strategy="quantile", quantile_method="averaged_inverted_cdf"
            ),
            forest(s),
        ),
        "numbers",
        "exact",
    ),
    Case(
        "bins-onehot",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            SimpleImputer(), KBinsDiscretizer(5, strategy="uniform"), logistic(s)
        ),
        "missing",
        "bounded",
    ),
    Case(
        "polynomial-2",
        "Pipeline of numbers",
        lambda s: make_pipeline(StandardScaler(), PolynomialFeatures(2), forest(s)),
        "numbers",
        "exact",
    ),
    Case(
        "polynomial-3",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            StandardScaler(),
            PolynomialFeatures((2, 3), interaction_only=True, include_bias=False),
            forest(s),
        ),
        "numbers",
        "exact",
    ),
    Case(
        "select-k-best",
        "Pipeline of numbers",
        lambda s: make_pipeline(SelectKBest(k=4), forest(s)),
        "numbers",
        "exact",
    ),
    Case(
        "select-from-model",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            SelectFromModel(forest(1), max_features=3, threshold=-np.inf), forest(s)
        ),
        "missing",
        "exact",
    ),
    Case(
        "variance",
        "Pipeline of numbers",
        lambda s: make_pipeline(VarianceThreshold(0.01), hist(s)),
        "missing",
        "rounded",
    ),
    Case(
        "union",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            SimpleImputer(),
            FeatureUnion(
                [
                    ("a", StandardScaler()),
                    (
                        "b",
                        KBinsDiscretizer(
                            3, encode="ordinal", quantile_method="averaged_inverted_cdf"
                        ),
                    ),
                ]
            ),
            forest(s),
        ),
        "missing",
        "exact",
    ),
    Case(
        "square-root",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            FunctionTransformer(np.abs), FunctionTransformer(np.sqrt), forest(s)
        ),
        "numbers",
        "exact",
    ),
    Case(
        "frozen",
        "Pipeline of numbers",
        lambda s: make_pipeline(
            FrozenEstimator(StandardScaler().fit(transactions("numbers", 50, 1).frame)), forest(s)
        ),
        "numbers",
        "exact",
    ),
]
