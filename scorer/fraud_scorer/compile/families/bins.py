"""KBinsDiscretizer: ordinal and one-hot. The bin of a value is how many inner edges are <= it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.KBinsDiscretizer")
def k_bins(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """One column of bin numbers a feature, or one column a bin."""
    if fitted.dtype is not None and np.dtype(fitted.dtype) == np.float32:
        raise builder.refuse("it computes in float32", "fit it with dtype=None")
    builder.check(builder.numbers(x))
    slots: list[int] = []
    for slot, edges, bins in zip(x.slots, fitted.bin_edges_, fitted.n_bins_, strict=True):
        number = builder.bin(slot, np.asarray(edges[1:-1], dtype=float))
        if fitted.encode == "ordinal":
            slots.append(number)
        else:
            slots += builder.onehot(number, int(bins))
    return Matrix(tuple(slots), sparse=fitted.encode == "onehot")
