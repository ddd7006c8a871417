"""XGBoost and LightGBM, alone and inside scikit-learn's pipelines and ensembles."""

from __future__ import annotations

from typing import Any

from lightgbm import LGBMClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier

from tests.unit.engine.case import Case, encoded, forest

FLOAT32 = 1e-6
"""XGBoost adds up to a few dozen leaves in float32."""


def light(seed: int, **more: Any) -> Any:
    sizes = {"n_estimators": 15, "random_state": seed, "n_jobs": 1, "verbose": -1}
    return LGBMClassifier(**sizes | more)


def extreme(seed: int, **more: Any) -> Any:
    return XGBClassifier(**{"n_estimators": 15, "random_state": seed, "n_jobs": 1} | more)


def ordinal(model: Any) -> Any:
    return encoded(
        model, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ).set_output(transform="default")


def light_vote(seed: int) -> Any:
    return VotingClassifier([("a", forest(seed)), ("b", light(seed))], voting="soft")


CASES = [
    Case("light", "LightGBM", light, "numbers", "rounded"),
    Case("light-missing", "LightGBM", lambda s: light(s, num_leaves=60), "missing", "rounded"),
    Case("light-dart", "LightGBM", lambda s: light(s, boosting_type="dart"), "missing", "rounded"),
    Case("light-pipeline", "LightGBM", lambda s: ordinal(light(s)), "mixed", "rounded"),
    Case("light-voting", "LightGBM", light_vote, "numbers", "rounded"),
    Case("extreme", "XGBoost", extreme, "numbers", "bounded", FLOAT32),
    Case(
        "extreme-missing",
        "XGBoost",
        lambda s: extreme(s, max_depth=9),
        "missing",
        "bounded",
        FLOAT32,
    ),
    Case("extreme-pipeline", "XGBoost", lambda s: ordinal(extreme(s)), "mixed", "bounded", FLOAT32),
]
