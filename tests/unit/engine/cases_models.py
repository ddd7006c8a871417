"""Trees, forests, boosting, linear models and IsolationForest on plain numbers, alone."""

from __future__ import annotations

from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    IsolationForest,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from tests.unit.engine.case import (
    Case,
    forest,
    hist,
    hist_categories,
    logistic,
    scaled,
)

CASES = [
    Case(
        "tree", "DecisionTree", lambda s: DecisionTreeClassifier(random_state=s), "numbers", "exact"
    ),
    Case(
        "tree-entropy-missing",
        "DecisionTree",
        lambda s: DecisionTreeClassifier(criterion="entropy", max_depth=9, random_state=s),
        "missing",
        "exact",
    ),
    Case(
        "tree-stump",
        "DecisionTree",
        lambda s: DecisionTreeClassifier(max_depth=1, random_state=s),
        "numbers",
        "exact",
    ),
    Case(
        "tree-constant",
        "DecisionTree",
        lambda s: DecisionTreeClassifier(min_samples_leaf=10**6, random_state=s),
        "numbers",
        "exact",
    ),
    Case(
        "extra-tree",
        "DecisionTree",
        lambda s: ExtraTreeClassifier(random_state=s),
        "numbers",
        "exact",
    ),
    Case("forest", "RandomForest", forest, "numbers", "exact"),
    Case(
        "forest-purity-missing",
        "RandomForest",
        lambda s: forest(s, max_depth=None),
        "missing",
        "exact",
    ),
    Case(
        "forest-weights",
        "RandomForest",
        lambda s: forest(s, class_weight="balanced", max_leaf_nodes=40, n_estimators=7),
        "numbers",
        "exact",
    ),
    Case(
        "extra-trees",
        "ExtraTrees",
        lambda s: ExtraTreesClassifier(13, max_depth=8, random_state=s),
        "numbers",
        "exact",
    ),
    Case(
        "extra-trees-missing",
        "ExtraTrees",
        lambda s: ExtraTreesClassifier(5, random_state=s),
        "missing",
        "exact",
    ),
    Case(
        "gradient",
        "GradientBoosting",
        lambda s: GradientBoostingClassifier(n_estimators=15, random_state=s),
        "numbers",
        "rounded",
    ),
    Case(
        "gradient-exponential",
        "GradientBoosting",
        lambda s: GradientBoostingClassifier(
            n_estimators=9, loss="exponential", subsample=0.7, random_state=s
        ),
        "numbers",
        "rounded",
    ),
    Case(
        "gradient-zero",
        "GradientBoosting",
        lambda s: GradientBoostingClassifier(
            n_estimators=5, init="zero", max_depth=5, random_state=s
        ),
        "numbers",
        "rounded",
    ),
    Case("hist", "HistGradientBoosting", hist, "numbers", "rounded"),
    Case(
        "hist-missing",
        "HistGradientBoosting",
        lambda s: hist(s, max_leaf_nodes=None, max_depth=6),
        "missing",
        "rounded",
    ),
    Case("hist-categories", "HistGradientBoosting", hist_categories, "mixed", "rounded"),
    Case(
        "logistic",
        "Linear",
        lambda s: make_pipeline(StandardScaler(), logistic(s)),
        "numbers",
        "bounded",
    ),
    Case(
        "logistic-l1",
        "Linear",
        lambda s: make_pipeline(
            MinMaxScaler(), LogisticRegression(solver="liblinear", l1_ratio=1, C=0.3)
        ),
        "numbers",
        "bounded",
    ),
    Case(
        "sgd-log",
        "Linear",
        lambda s: scaled(SGDClassifier(loss="log_loss", random_state=s)),
        "missing",
        "bounded",
    ),
    Case(
        "sgd-huber",
        "Linear",
        lambda s: scaled(SGDClassifier(loss="modified_huber", random_state=s)),
        "missing",
        "bounded",
    ),
    Case(
        "isolation",
        "IsolationForest",
        lambda s: IsolationForest(n_estimators=15, random_state=s),
        "numbers",
        "rounded",
    ),
    Case(
        "isolation-features",
        "IsolationForest",
        lambda s: IsolationForest(n_estimators=9, max_samples=64, max_features=5, random_state=s),
        "missing",
        "rounded",
    ),
]
