"""Models of every family are published with the scores that their own libraries give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.publishing import publish_model

NUMBERS = (Feature(name="amount", type="number", minimum=0), Feature(name="age", type="number"))
CHANNEL = Feature(name="channel", type="category", categories=("app", "pos", "web"))


def transactions(n: int = 300) -> tuple[pd.DataFrame, pd.Series]:
    """Transactions, and which of them are frauds."""
    rng = np.random.default_rng(0)
    channel = rng.choice(["app", "pos", "web"], n)
    rows = pd.DataFrame(
        {"amount": rng.lognormal(3, 1, n), "age": rng.normal(40, 9, n), "channel": channel}
    )
    return rows, ((rows.amount > 30) & (rows.channel != "pos")).astype(int)


def encoded(model: Any) -> Any:
    encoder = OneHotEncoder(handle_unknown="ignore")
    numbers = ("numbers", StandardScaler(), ["amount", "age"])
    return make_pipeline(ColumnTransformer([numbers, ("c", encoder, ["channel"])]), model)


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0)


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "forest": (lambda: encoded(forest()), "exact"),
    "bagging": (lambda: encoded(BaggingClassifier(forest(), 2, random_state=0)), "exact"),
    "sigmoid": (lambda: CalibratedClassifierCV(encoded(forest()), cv=2), "rounded"),
    "isotonic": (
        lambda: encoded(CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2)),
        "bounded",
    ),
    "voting": (
        lambda: encoded(
            VotingClassifier([("a", LogisticRegression()), ("b", forest())], voting="soft")
        ),
        "bounded",
    ),
    "histogram": (
        lambda: HistGradientBoostingClassifier(max_iter=5, categorical_features=["channel"]),
        "rounded",
    ),
    "lightgbm": (lambda: lightgbm.LGBMClassifier(n_estimators=5, verbose=-1), "rounded"),
    "xgboost": (lambda: xgboost.XGBClassifier(n_estimators=5), "bounded"),
    "isolation": (lambda: IsolationForest(n_estimators=10, random_state=0), "rounded"),
}
OF_NUMBERS = {"lightgbm", "xgboost", "isolation"}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_published_as_exact_as_promised(tmp_path: Path, name: str) -> None:
    make, exactness = MODELS[name]
    rows, fraud = transactions()
    features = NUMBERS if name in OF_NUMBERS else (*NUMBERS, CHANNEL)
    rows = rows[[feature.name for feature in features]]
    named: Any = rows.to_dict("records")
    published = publish_model(
        make().fit(rows, fraud),
        to=str(tmp_path),
        model=name,
        version="v1",
        features=features,
        golden=named[:5],
        reference=named,
    )
    assert published.exactness == exactness
    assert published.worst_difference < (1e-6 if name == "xgboost" else 1e-12)
    assert published.explains
    made_by = name if name in ("lightgbm", "xgboost") else "scikit-learn"
    assert published.manifest.framework.name == made_by
