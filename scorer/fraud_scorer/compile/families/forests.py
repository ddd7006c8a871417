"""DecisionTree, RandomForest and ExtraTrees: float32 comparisons, leaves averaged in the order of
the trees, as scikit-learn does with one job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.layout import FlatTree
from fraud_scorer.compile.registry import Classifier, classifier


def flatten(tree: Any, value: NDArray[Any], columns: Sequence[int] | None = None) -> FlatTree:
    """A scikit-learn `tree_` with the given value of each node, reading the given columns."""
    column = np.maximum(tree.feature, 0)
    return FlatTree(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        column=column if columns is None else np.asarray(columns, dtype=np.int64)[column],
        threshold=tree.threshold,
        null_left=tree.missing_go_to_left.astype(bool),
        value=value,
        weight=tree.weighted_n_node_samples,
    )


def check_single(builder: Builder, fitted: Any, x: Matrix) -> None:
    """What the trees refuse: infinity, what float32 cannot hold, and where they were not made for
    them, missing values."""
    allow_nan = fitted.__sklearn_tags__().input_tags.allow_nan and not x.sparse
    builder.check(builder.numbers(x), nan=not allow_nan, single=True)


def share(fitted: Any, which: int) -> NDArray[Any]:
    """The share of a class in each node."""
    return np.ascontiguousarray(fitted.tree_.value[:, 0, which])


def tree(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """The leaf's share"""
    _check_outputs(builder, fitted)
    check_single(builder, fitted, x)
    return add_trees(builder, [flatten(fitted.tree_, share(fitted, which))], x)


def forest(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """The mean of the leaves' shares"""
    _check_outputs(builder, fitted)
    check_single(builder, fitted.estimators_[0], x)
    trees = [flatten(one.tree_, share(one, which)) for one in fitted.estimators_]
    return builder.scalar(Code.DIV, add_trees(builder, trees, x), float(len(trees)))


def _check_outputs(builder: Builder, fitted: Any) -> None:
    if fitted.n_outputs_ != 1:
        raise builder.refuse(f"it has {fitted.n_outputs_} outputs", "fit one model an output")


classifier(
    "sklearn.DecisionTreeClassifier", "sklearn.ExtraTreeClassifier", compiled=Classifier(tree)
)
classifier(
    "sklearn.RandomForestClassifier", "sklearn.ExtraTreesClassifier", compiled=Classifier(forest)
)
