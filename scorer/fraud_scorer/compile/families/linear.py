"""LogisticRegression (with its cross-validated form) and SGDClassifier, binary.

The sum runs from the first column to the last; scikit-learn leaves its order to the BLAS, so the
decision value agrees within the forward-error bound of docs/exactness.md, not bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.registry import Classifier, classifier


def decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    """coefficients . x + intercept"""
    builder.check(builder.numbers(x))
    coefficients = fitted.coef_.toarray() if hasattr(fitted.coef_, "toarray") else fitted.coef_
    intercept = np.ravel(fitted.intercept_)
    if np.asarray(coefficients).dtype != np.float64:
        raise builder.refuse("it was fitted in single precision", "fit it on float64")
    return builder.linear(x, np.ravel(coefficients), float(intercept[0]) if intercept.size else 0.0)


def logistic(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """expit(decision), or 1 minus it"""
    p = builder.expit(decision(builder, fitted, x))
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


def sgd(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """As logistic for log_loss; (clip(decision) + 1) / 2 for modified_huber."""
    if fitted.loss == "log_loss":
        return logistic(builder, fitted, x, which)
    if fitted.loss != "modified_huber":
        raise builder.refuse(
            f"loss={fitted.loss!r} has no probabilities",
            "use loss='log_loss', or CalibratedClassifierCV around it",
        )
    p = builder.scalar(Code.CLIP, decision(builder, fitted, x), -1.0, 1.0)
    p = builder.scalar(Code.DIV, builder.scalar(Code.ADD, p, 1.0), 2.0)
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


def margin_only(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """LinearSVC and the like: a decision to calibrate, no probability."""
    raise builder.refuse("it has no probabilities", "use CalibratedClassifierCV around it")


classifier(
    "sklearn.LogisticRegression",
    "sklearn.LogisticRegressionCV",
    compiled=Classifier(logistic, decision),
)
classifier("sklearn.SGDClassifier", compiled=Classifier(sgd, decision))
classifier("sklearn.LinearSVC", compiled=Classifier(margin_only, decision))
