"""Pipelines with encoders of categories."""

from __future__ import annotations

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OrdinalEncoder,
    StandardScaler,
)

from tests.unit.engine.case import (
    CATEGORIES,
    NUMBERS,
    Case,
    codes,
    encoded,
    forest,
    hist,
    logistic,
    onehot,
)

CASES = [
    Case(
        "onehot-sparse",
        "Pipeline with categories",
        lambda s: encoded(
            logistic(s),
            onehot(),
            make_pipeline(SimpleImputer(), StandardScaler()),
            sparse_threshold=1.0,
        ),
        "mixed",
        "bounded",
    ),
    Case(
        "onehot-sparse-scaled",
        "Pipeline with categories",
        lambda s: make_pipeline(
            ColumnTransformer(
                [("numbers", SimpleImputer(), NUMBERS), ("categories", onehot(), CATEGORIES)],
                sparse_threshold=1.0,
            ),
            StandardScaler(with_mean=False),
            forest(s),
        ),
        "mixed",
        "exact",
    ),
    Case(
        "onehot-drop",
        "Pipeline with categories",
        lambda s: encoded(forest(s), onehot(drop="first", sparse_output=False), SimpleImputer()),
        "mixed",
        "exact",
    ),
    Case(
        "onehot-if-binary",
        "Pipeline with categories",
        lambda s: encoded(forest(s), onehot(drop="if_binary", sparse_output=False)),
        "mixed",
        "exact",
    ),
    Case(
        "onehot-infrequent",
        "Pipeline with categories",
        lambda s: encoded(
            hist(s),
            onehot(handle_unknown="infrequent_if_exist", min_frequency=30, sparse_output=False),
        ),
        "mixed",
        "rounded",
    ),
    Case(
        "onehot-error",
        "Pipeline with categories",
        lambda s: encoded(forest(s), onehot(handle_unknown="error", sparse_output=False)),
        "mixed",
        "exact",
    ),
    Case("ordinal", "Pipeline with categories", codes, "mixed", "exact"),
    Case(
        "ordinal-missing-code",
        "Pipeline with categories",
        lambda s: codes(s, encoded_missing_value=-7),
        "mixed",
        "exact",
    ),
    Case(
        "ordinal-infrequent",
        "Pipeline with categories",
        lambda s: codes(s, max_categories=3),
        "mixed",
        "exact",
    ),
    Case(
        "imputed-categories",
        "Pipeline with categories",
        lambda s: encoded(
            forest(s),
            make_pipeline(SimpleImputer(strategy="most_frequent"), onehot(sparse_output=False)),
            SimpleImputer(add_indicator=True),
        ),
        "mixed",
        "exact",
    ),
    Case(
        "constant-categories",
        "Pipeline with categories",
        lambda s: encoded(
            hist(s),
            make_pipeline(
                SimpleImputer(strategy="constant", fill_value="none"),
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
            ),
        ),
        "mixed",
        "rounded",
    ),
    Case(
        "remainder",
        "Pipeline with categories",
        lambda s: make_pipeline(
            ColumnTransformer(
                [
                    ("c", onehot(sparse_output=False), ["channel"]),
                    ("gone", "drop", ["country"]),
                    ("late", StandardScaler(), [5, 0]),
                ],
                remainder="passthrough",
            ),
            forest(s),
        ),
        "mixed",
        "exact",
    ),
    Case(
        "numbers-as-categories",
        "Pipeline with categories",
        lambda s: encoded(
            forest(s),
            onehot(sparse_output=False),
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=9),
        ),
        "mixed",
        "exact",
    ),
    Case(
        "voting-of-pipelines",
        "Pipeline with categories",
        lambda s: VotingClassifier(
            [("a", codes(s)), ("b", encoded(hist(s), onehot(sparse_output=False)))], voting="soft"
        ),
        "mixed",
        "rounded",
    ),
    Case(
        "calibrated-pipeline",
        "Pipeline with categories",
        lambda s: CalibratedClassifierCV(codes(s), method="isotonic", cv=2),
        "mixed",
        "exact",
    ),
]
