"""HistGradientBoostingClassifier: float64 thresholds, missing values, category sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.families.encoders import ordinal
from fraud_scorer.compile.layout import FlatTree
from fraud_scorer.compile.registry import Classifier, classifier

_NULL_BIT = 256


def decision(builder: Builder, fitted: Any, x: Matrix) -> int:
    """The baseline plus the leaves"""
    categorical = np.zeros(len(x), dtype=bool)
    if fitted._preprocessor is not None:
        x, categorical = _encode(builder, fitted, x)
    builder.numbers(x)
    known = dict(zip(np.flatnonzero(categorical).tolist(), _known(fitted), strict=False))
    trees = [_flatten(one, known) for (one,) in fitted._predictors]
    return add_trees(builder, trees, x, base=float(np.ravel(fitted._baseline_prediction)[0]))


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """expit(raw)"""
    p = builder.expit(decision(builder, fitted, x))
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


def _encode(builder: Builder, fitted: Any, x: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Its own preprocessor: categories first, as ordinal codes, then the numbers as they are."""
    mask = np.asarray(fitted.is_categorical_, dtype=bool)
    encoder = fitted._preprocessor.named_transformers_["encoder"]
    codes = ordinal(builder, encoder, x.take(np.flatnonzero(mask)))
    numbers = x.take(np.flatnonzero(~mask))
    return Matrix(codes.slots + numbers.slots), np.sort(mask)[::-1]


def _known(fitted: Any) -> list[NDArray[np.uint32]]:
    """The known categories of each categorical feature, as 8 words of bits."""
    bitsets, _ = fitted._bin_mapper.make_known_categories_bitsets()
    return list(bitsets)


def _flatten(predictor: Any, known: dict[int, NDArray[np.uint32]]) -> FlatTree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    categorical = nodes["is_categorical"].astype(bool) & ~leaf
    null_left = nodes["missing_go_to_left"].astype(bool)
    category = np.where(categorical, np.cumsum(categorical) - 1, -1)
    sets = np.zeros((int(categorical.sum()), 9), dtype=np.uint32)
    for i, node in enumerate(np.flatnonzero(categorical)):
        chosen = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        sets[i, :8] = chosen
        if null_left[node]:  # missing goes left, and what is unknown goes where missing goes
            sets[i, :8] |= ~known[int(nodes["feature_idx"][node])]
            sets[i, 8] = 1 << (_NULL_BIT % 32)
    return FlatTree(
        left=left,
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        column=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        null_left=null_left,
        value=nodes["value"].astype(np.float64),
        weight=nodes["count"].astype(np.float64),
        single=False,
        category=category,
        sets=sets,
    )


classifier("sklearn.HistGradientBoostingClassifier", compiled=Classifier(proba, decision))
