"""CalibratedClassifierCV: sigmoid, isotonic and temperature, averaged over its members.

What is calibrated is the member's decision where it has one, else its probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Function, Matrix
from fraud_scorer.compile.registry import Classifier, classifier, find_classifier

_EPSILON = 1e-12
"""What scikit-learn adds to a probability before its logarithm."""


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """The mean of the members' calibrated probabilities"""
    slots = []
    for i, member in enumerate(fitted.calibrated_classifiers_):
        with builder.step(f"member {i}", member.estimator):
            slots.append(_member(builder, member, x, which))
    return builder.scalar(Code.DIV, builder.sum(slots), float(len(slots)))


def _member(builder: Builder, member: Any, x: Matrix, which: int) -> int:
    value, is_decision = _response(builder, member.estimator, x)
    calibrator = member.calibrators[0]
    if member.method == "temperature":
        p = _temperature(builder, calibrator, value, is_decision, which)
    else:
        p = (_sigmoid if member.method == "sigmoid" else _isotonic)(builder, calibrator, value)
        if which == 0:
            p = builder.scalar(Code.RSUB, p, 1.0)
    return builder.scalar(Code.CLIP, p, -np.inf, 1.0)


def _response(builder: Builder, estimator: Any, x: Matrix) -> tuple[int, bool]:
    found = find_classifier(builder.path, estimator)
    if hasattr(estimator, "decision_function"):
        if found.decision is None:
            raise builder.refuse("its decision_function cannot be compiled")
        return found.decision(builder, estimator, x), True
    return found.proba(builder, estimator, x, 1), False


def _sigmoid(builder: Builder, calibrator: Any, value: int) -> int:
    """expit(-(a * value + b))"""
    scaled = builder.scalar(Code.ADD, builder.scalar(Code.MUL, value, calibrator.a_), calibrator.b_)
    return builder.expit(builder.scalar(Code.MUL, scaled, -1.0))


def _isotonic(builder: Builder, calibrator: Any, value: int) -> int:
    """Linear interpolation between the fitted steps, clipped at both ends"""
    x, y = calibrator.X_thresholds_, calibrator.y_thresholds_
    if x.dtype != np.float64:
        raise builder.refuse("it was calibrated in single precision", "fit it on float64")
    return builder.interpolate(value, x, y)


def _temperature(
    builder: Builder, calibrator: Any, value: int, is_decision: bool, which: int
) -> int:
    """softmax(beta * logits) of both classes"""
    if is_decision:
        logits = [builder.scalar(Code.MUL, value, -1.0), value]
    else:
        both = [builder.scalar(Code.RSUB, value, 1.0), value]
        shifted = [builder.scalar(Code.ADD, p, _EPSILON) for p in both]
        logits = list(builder.function(Function.LOG, Matrix(tuple(shifted))).slots)
    scaled = [builder.scalar(Code.MUL, one, float(calibrator.beta_)) for one in logits]
    return builder.softmax2(scaled[1 - which], scaled[which])


classifier("sklearn.CalibratedClassifierCV", compiled=Classifier(proba))
