"""GradientBoostingClassifier: a constant plus learning rate x leaf, tree by tree."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.families.forests import flatten
from fraud_scorer.compile.registry import Classifier, classifier, key


def decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    """The raw prediction"""
    if not (isinstance(fitted.init_, str) or key(fitted.init_) == "sklearn.DummyClassifier"):
        raise builder.refuse(
            f"init={type(fitted.init_).__name__} is a model of its own", "leave init at its default"
        )
    builder.check(builder.numbers(x), single=True)
    base = fitted._raw_predict_init(np.zeros((1, fitted.n_features_in_), dtype=np.float32))[0, 0]
    trees = [
        flatten(one.tree_, fitted.learning_rate * one.tree_.value[:, 0, 0])
        for one in fitted.estimators_[:, 0]
    ]
    return add_trees(builder, trees, x, base=float(base))


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """expit(raw), of twice raw for the exponential loss"""
    raw = decision(builder, fitted, x)
    if fitted.loss == "exponential":
        raw = builder.scalar(Code.MUL, raw, 2.0)
    p = builder.expit(raw)
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


classifier("sklearn.GradientBoostingClassifier", compiled=Classifier(proba, decision))
