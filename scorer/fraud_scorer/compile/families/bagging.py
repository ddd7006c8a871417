"""BaggingClassifier: the members' probabilities added in their order, then divided by their number.

Bags of decision trees become one forest."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.families.forests import check_single, flatten, share
from fraud_scorer.compile.registry import Classifier, classifier, find_classifier, key

_TREES = {"sklearn.DecisionTreeClassifier", "sklearn.ExtraTreeClassifier"}


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """The mean probability"""
    members = fitted.estimators_
    if all(key(one) in _TREES and len(one.classes_) == 2 for one in members):
        return _forest(builder, fitted, x, which)
    slots = []
    for i, (one, columns) in enumerate(zip(members, fitted.estimators_features_, strict=True)):
        with builder.step(f"estimator {i}", one):
            slots.append(_member(builder, one, x.take(columns), which))
    return builder.scalar(Code.DIV, builder.sum(slots), float(fitted.n_estimators))


def decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    """The mean decision, for members that have one"""
    slots = []
    for i, (one, columns) in enumerate(
        zip(fitted.estimators_, fitted.estimators_features_, strict=True)
    ):
        with builder.step(f"estimator {i}", one):
            found = find_classifier(builder.path, one)
            if found.decision is None:
                raise builder.refuse("it has no decision_function")
            slots.append(found.decision(builder, one, x.take(columns)))
    return builder.scalar(Code.DIV, builder.sum(slots), float(fitted.n_estimators))


def _member(builder: Builder, one: Any, x: Matrix, which: int) -> int:
    if not hasattr(one, "predict_proba"):
        raise builder.refuse(
            f"a bag of {type(one).__name__} votes, which counts thresholds",
            "use members with probabilities",
        )
    if len(one.classes_) == 1:  # its sample held one class only
        return builder.constant(float(one.classes_[0] == which))
    return find_classifier(builder.path, one).proba(builder, one, x, which)


def _forest(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    members = list(zip(fitted.estimators_, fitted.estimators_features_, strict=True))
    read = np.unique(np.concatenate([columns for _, columns in members]))
    check_single(builder, members[0][0], x.take(read))
    trees = [flatten(one.tree_, share(one, which), columns) for one, columns in members]
    return builder.scalar(Code.DIV, add_trees(builder, trees, x), float(fitted.n_estimators))


classifier("sklearn.BaggingClassifier", compiled=Classifier(proba, decision))
