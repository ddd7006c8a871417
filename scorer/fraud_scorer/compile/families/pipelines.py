"""Pipeline and FrozenEstimator: what they hold, one after the other."""

from __future__ import annotations

from typing import Any

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import (
    Classifier,
    classifier,
    find_classifier,
    find_transformer,
    transformer,
)


def transform(builder: Builder, name: str, fitted: Any, x: Matrix) -> Matrix:
    """One named transformer, or "passthrough"."""
    if fitted is None or (isinstance(fitted, str) and fitted == "passthrough"):
        return x
    with builder.step(name, fitted):
        return find_transformer(builder.path, fitted)(builder, fitted, x)


def _before_last(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    for name, one in fitted.steps[:-1]:
        x = transform(builder, name, one, x)
    return x


@transformer("sklearn.Pipeline")
def pipeline_of_transformers(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """All its steps"""
    name, last = fitted.steps[-1]
    return transform(builder, name, last, _before_last(builder, fitted, x))


def _proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    x = _before_last(builder, fitted, x)
    name, last = fitted.steps[-1]
    with builder.step(name, last):
        return find_classifier(builder.path, last).proba(builder, last, x, which)


def _decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    x = _before_last(builder, fitted, x)
    name, last = fitted.steps[-1]
    with builder.step(name, last):
        found = find_classifier(builder.path, last)
        if found.decision is None:
            raise builder.refuse("its decision_function cannot be compiled")
        return found.decision(builder, last, x)


def _frozen_proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    inner = fitted.estimator
    return find_classifier(builder.path, inner).proba(builder, inner, x, which)


def _frozen_decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    found = find_classifier(builder.path, fitted.estimator)
    if found.decision is None:
        raise builder.refuse("its decision_function cannot be compiled")
    return found.decision(builder, fitted.estimator, x)


@transformer("sklearn.FrozenEstimator")
def frozen_transformer(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """What is frozen"""
    return find_transformer(builder.path, fitted.estimator)(builder, fitted.estimator, x)


classifier("sklearn.Pipeline", compiled=Classifier(_proba, _decision))
classifier("sklearn.FrozenEstimator", compiled=Classifier(_frozen_proba, _frozen_decision))
