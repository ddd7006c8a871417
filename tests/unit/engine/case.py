"""What a row of the catalogue is, and the parts that many of its models share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from fraud_scorer.engine import Exactness
from tests.unit.engine.data import Kind

NUMBERS = [f"n{i}" for i in range(8)]
CATEGORIES = ["country", "channel"]


@dataclass(frozen=True)
class Case:
    """One model: what it is called, its family, how it is made, its data and what is promised;
    `close` is how far a bounded score may be off."""

    name: str
    family: str
    make: Callable[[int], Any]
    kind: Kind
    level: Exactness
    close: float = 1e-11


def logistic(seed: int = 0) -> Any:
    return LogisticRegression(max_iter=300, random_state=seed)


def forest(seed: int = 0, **more: Any) -> Any:
    return RandomForestClassifier(
        **{"n_estimators": 12, "max_depth": 7, "random_state": seed} | more
    )


def hist(seed: int = 0, **more: Any) -> Any:
    return HistGradientBoostingClassifier(**{"max_iter": 12, "random_state": seed} | more)


def scaled(model: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)


def encoded(model: Any, encoder: Any, numbers: Any = "passthrough", **more: Any) -> Any:
    parts = [("numbers", numbers, NUMBERS), ("categories", encoder, CATEGORIES)]
    return make_pipeline(ColumnTransformer(parts, **more), model)


def codes(seed: int, **more: Any) -> Any:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **more)
    return encoded(forest(seed), encoder)


def onehot(**more: Any) -> Any:
    return OneHotEncoder(**{"handle_unknown": "ignore"} | more)


def hist_categories(seed: int) -> Any:
    return hist(seed, categorical_features=CATEGORIES, max_leaf_nodes=12)
