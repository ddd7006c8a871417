"""XGBClassifier with trees, binary: float32 features and thresholds, `<` instead of `<=`.

XGBoost adds the leaves and takes the logistic function in float32; here both are in double, so a
score is nearer to the model's exact one and differs from XGBoost's by float32's rounding. Read from
the model's own JSON; xgboost itself is not imported.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Level, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.layout import FlatTree
from fraud_scorer.compile.registry import Classifier, classifier


def margin(builder: Builder, fitted: Any, x: Matrix) -> int:
    """The raw score"""
    learner = json.loads(bytes(fitted.get_booster().save_raw("json")))["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree" or learner["objective"]["name"] != "binary:logistic":
        raise builder.refuse(
            f"{booster['name']} for {learner['objective']['name']}",
            "use booster='gbtree' and objective='binary:logistic'",
        )
    missing = fitted.get_params()["missing"]
    if not math.isnan(missing):
        raise builder.refuse(f"missing={missing}", "use NaN for missing values")
    share = float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))
    trees = booster["model"]["trees"][: _used(fitted, booster["model"])]
    base = -math.log(1.0 / share - 1.0)
    slot = add_trees(builder, [_flatten(builder, one) for one in trees], builder.numbers(x), base)
    return builder.at_most(slot, Level.BOUNDED)


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """expit(raw)"""
    p = builder.expit(margin(builder, fitted, x))
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


def _used(fitted: Any, model: dict[str, Any]) -> int:
    """The trees up to the best iteration, where training was stopped early."""
    try:
        rounds = int(fitted.best_iteration) + 1
    except AttributeError:
        return len(model["trees"])
    return int(model["iteration_indptr"][rounds])


def _flatten(builder: Builder, tree: dict[str, Any]) -> FlatTree:
    if any(tree["split_type"]):
        raise builder.refuse("splits on categories", "encode them with OrdinalEncoder")
    if tree["tree_param"]["size_leaf_vector"] not in ("0", "1"):
        raise builder.refuse("leaves of several values", "use one output")
    left = np.array(tree["left_children"])
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    below = np.nextafter(conditions, np.float32(-np.inf))  # x < t is x <= the float32 before t
    return FlatTree(
        left=left,
        right=np.array(tree["right_children"]),
        column=np.where(left >= 0, np.array(tree["split_indices"]), 0),
        threshold=below.astype(np.float64),
        null_left=np.array(tree["default_left"], dtype=bool),
        value=conditions.astype(np.float64),
        weight=np.array(tree["sum_hessian"], dtype=float),
    )


classifier("xgboost.XGBClassifier", compiled=Classifier(proba))
