"""The models that the engine is measured on: twenty features of simulated card payments.

The handbook's fifteen (docs/data.md), and five more that a team would add: hour, weekday, and the
amount against the customer's means. Trained on one week, measured on rows of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.handbook import dataset
from examples.handbook.features import NAMES as HANDBOOK
from examples.handbook.split import split
from fraud_scorer.engine import Input

Floats = NDArray[np.float64]

RATIOS = ("customer_mean_amount_1d", "customer_mean_amount_7d", "customer_mean_amount_30d")
NAMES = (*HANDBOOK, "hour", "weekday", *(f"amount_to_{name}" for name in RATIOS))
INPUTS = tuple(Input(name=name, type="number", nullable=False) for name in NAMES)


@dataclass(frozen=True)
class Data:
    """Rows to learn from with their labels, and distinct rows to score."""

    training: Floats
    fraud: NDArray[np.bool_]
    scored: Floats


def data() -> Data:
    """From the simulator, or from its cache."""
    loaded = dataset.load()
    weeks = split(loaded.transactions)
    rows = np.column_stack([loaded.features, *_extra(loaded)])
    scored = np.unique(rows[weeks.test], axis=0)
    order = np.random.default_rng(0).permutation(len(scored))
    return Data(
        rows[weeks.training], loaded.transactions.fraud[weeks.training], scored[order].copy()
    )


def _extra(loaded: dataset.Dataset) -> list[Floats]:
    seconds = loaded.transactions.seconds
    hour = (seconds % 86_400) // 3_600
    weekday = (seconds // 86_400) % 7
    amount = loaded.features[:, HANDBOOK.index("amount")]
    means = [loaded.features[:, HANDBOOK.index(name)] for name in RATIOS]
    ratios = [amount / np.maximum(mean, 0.01) for mean in means]
    return [hour.astype(float), weekday.astype(float), *ratios]


def estimators() -> dict[str, Any]:
    """By the names that the report uses."""
    return {
        "forest, depth 12": RandomForestClassifier(100, max_depth=12, random_state=0, n_jobs=-1),
        "forest, to purity": RandomForestClassifier(100, random_state=0, n_jobs=-1),
        "hist boosting": HistGradientBoostingClassifier(random_state=0),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }


def fitted(model: Any, learned: Data) -> Any:
    """Trained, and from then on with one thread a prediction."""
    model.fit(learned.training, learned.fraud)
    if hasattr(model, "n_jobs"):
        model.set_params(n_jobs=1)
    return model


def repeated(forest: Any, trees: int) -> Any:
    """The forest with as many trees, its own over and over: only its cost is of interest."""
    made = RandomForestClassifier(trees)
    made.__dict__.update({k: v for k, v in vars(forest).items() if k.endswith("_")})
    own = forest.estimators_
    made.estimators_ = [own[i % len(own)] for i in range(trees)]
    return made
