"""IsolationForest, whose score is -score_samples: 2 to the power of minus the mean path length over
the length expected, from 0 (ordinary) to 1 (isolated at once). It is no probability of fraud; take
thresholds from its own distribution.
"""

from __future__ import annotations

from typing import Any

from fraud_scorer.compile.builder import Builder, Code, Function, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.families.forests import flatten
from fraud_scorer.compile.registry import Classifier, classifier


def score(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """2 ** -(depths / expected); rows are not checked, as scikit-learn does not"""
    from sklearn.ensemble._iforest import _average_path_length  # loaded already: it is fitted

    builder.numbers(x)
    trees = [
        flatten(one.tree_, lengths + average - 1.0, columns)
        for one, lengths, average, columns in zip(
            fitted.estimators_,
            fitted._decision_path_lengths,
            fitted._average_path_length_per_tree,
            fitted.estimators_features_,
            strict=True,
        )
    ]
    expected = len(trees) * float(_average_path_length([fitted._max_samples])[0])
    if expected == 0:
        raise builder.refuse("it was fitted on a single row")
    mean = builder.scalar(Code.DIV, add_trees(builder, trees, x), expected)
    negative = builder.scalar(Code.MUL, mean, -1.0)
    return builder.function(Function.EXP2, Matrix((negative,))).slots[0]


classifier("sklearn.IsolationForest", compiled=Classifier(score))
