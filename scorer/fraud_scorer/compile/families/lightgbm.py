"""LGBMClassifier, binary: float64 thresholds, leaves added in the order of the trees, as LightGBM
does. Read from the model's own dump; lightgbm itself is not imported."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.ensemble import add_trees
from fraud_scorer.compile.layout import FlatTree
from fraud_scorer.compile.registry import Classifier, classifier

_DUMPED_INFINITY = 1e300


def margin(builder: Builder, fitted: Any, x: Matrix) -> int:
    """The raw score"""
    dump = fitted.booster_.dump_model()
    if dump["average_output"] or fitted.get_params().get("linear_tree"):
        raise builder.refuse("boosting_type='rf' and linear trees", "use boosting_type='gbdt'")
    trees = [_Reader(builder).read(one["tree_structure"]) for one in dump["tree_info"]]
    zero = sorted({c for one in trees for c in one.null_is_zero})
    slots = list(builder.numbers(x).slots)
    if zero:  # a feature without missing values in training: LightGBM takes a missing one for 0
        filled = builder.fill(x.take(zero), np.full(len(zero), np.nan), np.zeros(len(zero)))
        for column, slot in zip(zero, filled.slots, strict=True):
            slots[column] = slot
    return add_trees(builder, [one.flat() for one in trees], Matrix(tuple(slots)))


def proba(builder: Builder, fitted: Any, x: Matrix, which: int) -> int:
    """1 / (1 + exp(-sigmoid * raw))"""
    name, *parameters = str(fitted.booster_.dump_model(num_iteration=1)["objective"]).split()
    if name != "binary":
        raise builder.refuse(f"objective {name!r}", "use objective='binary'")
    steepness = dict(one.split(":") for one in parameters).get("sigmoid", "1")
    raw = margin(builder, fitted, x)
    if float(steepness) != 1.0:
        raw = builder.scalar(Code.MUL, raw, float(steepness))
    p = builder.expit(raw)
    return p if which == 1 else builder.scalar(Code.RSUB, p, 1.0)


@dataclass
class _Reader:
    """One tree of the dump, node by node."""

    builder: Builder
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    column: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    null_left: list[bool] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    null_is_zero: set[int] = field(default_factory=set)

    def read(self, root: dict[str, Any]) -> _Reader:
        """The whole tree below `root`; depth is no matter of Python's stack."""
        pending = [(root, -1, False)]
        while pending:
            node, parent, is_right = pending.pop()
            here = self._add(node)
            if parent >= 0:
                (self.right if is_right else self.left)[parent] = here
            if "split_feature" in node:
                pending += [(node["right_child"], here, True), (node["left_child"], here, False)]
        return self

    def _add(self, node: dict[str, Any]) -> int:
        is_split = "split_feature" in node
        if is_split and node["decision_type"] != "<=":
            raise self.builder.refuse(
                "splits on categories", "encode them with OrdinalEncoder and declare none"
            )
        if is_split and node["missing_type"] == "Zero":
            raise self.builder.refuse("zero_as_missing", "use an imputer")
        if is_split and node["missing_type"] == "None":
            self.null_is_zero.add(node["split_feature"])
        self.left.append(-1)
        self.right.append(-1)
        self.column.append(node["split_feature"] if is_split else 0)
        self.threshold.append(_undumped(node["threshold"]) if is_split else 0.0)
        self.null_left.append(bool(is_split and node["default_left"]))
        self.value.append(0.0 if is_split else node["leaf_value"])
        self.weight.append(float(node.get("internal_count", node.get("leaf_count", 0))))
        return len(self.left) - 1

    def flat(self) -> FlatTree:
        """As arrays."""
        return FlatTree(
            left=np.array(self.left),
            right=np.array(self.right),
            column=np.array(self.column),
            threshold=np.array(self.threshold),
            null_left=np.array(self.null_left),
            value=np.array(self.value),
            weight=np.array(self.weight),
            single=False,
        )


def _undumped(threshold: float) -> float:
    """JSON has no infinity: where a split asks only whether a value is missing, the dump says 1e300
    (Common::AvoidInf in LightGBM's tree.cpp) for what the model itself compares with."""
    return math.inf if threshold >= _DUMPED_INFINITY else threshold


classifier("lightgbm.LGBMClassifier", compiled=Classifier(proba))
