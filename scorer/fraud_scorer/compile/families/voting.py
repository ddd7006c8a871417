"""VotingClassifier with soft votes: numpy.average of the members' probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.registry import Classifier, classifier, find_classifier


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """The weighted mean probability"""
    if fitted.voting != "soft":
        raise builder.refuse(
            "hard votes count thresholds and give no probability", "use voting='soft'"
        )
    slots = []
    names = [name for name, one in fitted.estimators if one != "drop"]
    for name, one in zip(names, fitted.estimators_, strict=True):
        with builder.step(name, one):
            slots.append(find_classifier(builder.path, one).proba(builder, one, x, which))
    weights = fitted._weights_not_none
    if weights is None:
        return builder.scalar(Code.DIV, builder.sum(slots), float(len(slots)))
    scaled = [
        builder.scalar(Code.MUL, slot, float(w)) for slot, w in zip(slots, weights, strict=True)
    ]
    total = float(np.sum(np.asarray(weights, dtype=float)))
    return builder.scalar(Code.DIV, builder.sum(scaled), total)


classifier("sklearn.VotingClassifier", compiled=Classifier(proba))
