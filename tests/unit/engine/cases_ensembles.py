"""Bagging, voting and calibration of other models."""

from __future__ import annotations

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from tests.unit.engine.case import (
    Case,
    forest,
    hist,
    logistic,
    scaled,
)

CASES = [
    Case(
        "bagging-trees",
        "Bagging",
        lambda s: BaggingClassifier(
            DecisionTreeClassifier(max_depth=6), 9, max_features=0.6, random_state=s
        ),
        "missing",
        "exact",
    ),
    Case(
        "bagging-forests",
        "Bagging",
        lambda s: BaggingClassifier(forest(s, n_estimators=3), 4, random_state=s),
        "numbers",
        "exact",
    ),
    Case(
        "bagging-hist",
        "Bagging",
        lambda s: BaggingClassifier(hist(s, max_iter=4), 3, max_features=5, random_state=s),
        "missing",
        "rounded",
    ),
    Case(
        "bagging-linear",
        "Bagging",
        lambda s: make_pipeline(
            StandardScaler(), BaggingClassifier(logistic(s), 5, random_state=s)
        ),
        "numbers",
        "bounded",
    ),
    Case(
        "voting",
        "Voting",
        lambda s: VotingClassifier(
            [
                ("a", forest(s)),
                ("b", DecisionTreeClassifier(max_depth=4)),
                ("c", ExtraTreesClassifier(5, random_state=s)),
            ],
            voting="soft",
        ),
        "numbers",
        "exact",
    ),
    Case(
        "voting-weights",
        "Voting",
        lambda s: VotingClassifier(
            [("a", forest(s)), ("b", hist(s)), ("c", scaled(logistic(s)))],
            voting="soft",
            weights=[2, 0.7, 1.1],
        ),
        "missing",
        "bounded",
    ),
    Case(
        "sigmoid-forest",
        "Calibrated",
        lambda s: CalibratedClassifierCV(forest(s, n_estimators=5), cv=3),
        "numbers",
        "rounded",
    ),
    Case(
        "isotonic-forest",
        "Calibrated",
        lambda s: CalibratedClassifierCV(forest(s, n_estimators=5), method="isotonic", cv=3),
        "missing",
        "exact",
    ),
    Case(
        "isotonic-gradient",
        "Calibrated",
        lambda s: CalibratedClassifierCV(
            GradientBoostingClassifier(n_estimators=5, random_state=s), method="isotonic", cv=2
        ),
        "numbers",
        "exact",
    ),
    Case(
        "sigmoid-hist",
        "Calibrated",
        lambda s: CalibratedClassifierCV(hist(s, max_iter=5), cv=2),
        "missing",
        "rounded",
    ),
    Case(
        "temperature-forest",
        "Calibrated",
        lambda s: CalibratedClassifierCV(forest(s, n_estimators=5), method="temperature", cv=2),
        "numbers",
        "bounded",
    ),
    Case(
        "temperature-hist",
        "Calibrated",
        lambda s: CalibratedClassifierCV(hist(s, max_iter=5), method="temperature", cv=2),
        "numbers",
        "rounded",
    ),
    Case(
        "sigmoid-linear",
        "Calibrated",
        lambda s: scaled(CalibratedClassifierCV(SGDClassifier(random_state=s), cv=2)),
        "missing",
        "bounded",
    ),
    Case(
        "calibrated-bag",
        "Calibrated",
        lambda s: CalibratedClassifierCV(BaggingClassifier(logistic(s), 3, random_state=s), cv=2),
        "numbers",
        "bounded",
    ),
]
