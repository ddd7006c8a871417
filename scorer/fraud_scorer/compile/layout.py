"""Where the nodes of a tree lie in memory.

Two siblings lie side by side, and a cache line holds a few such pairs: a pair, then the pairs below
it that most training rows went through. So a walk that goes where rows usually go touches about one
line for two to three levels. A parent always lies before its children, which the engine checks.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAD = -1


@dataclass(frozen=True)
class FlatTree:
    """A tree as arrays by node; node 0 is the root and `left[i] < 0` marks a leaf.

    A row goes left where its `column` is <= `threshold` (compared in float32 where `single`), or,
    missing, where `null_left`. `category[i] >= 0` makes the split a set: left where the category's
    code is in `sets[category[i]]` (9 words; bit 256 stands for missing and unknown).
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    column: NDArray[np.int64]
    threshold: NDArray[np.float64]
    null_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    weight: NDArray[np.float64]
    single: bool = True
    category: NDArray[np.int64] | None = None
    sets: NDArray[np.uint32] | None = None


def place(tree: FlatTree, pairs_per_line: int) -> NDArray[np.int64]:
    """Node numbers in the order in which they lie, PAD where nothing does, whole cache lines."""
    left, right = tree.left.tolist(), tree.right.tolist()
    weight = tree.weight.tolist()
    order: list[int] = []
    pending: list[tuple[int, int]] = [(0, PAD)]
    while pending:
        near: list[tuple[float, tuple[int, int]]] = []  # below what this line holds, heaviest first
        for _ in range(pairs_per_line):
            if near:
                pair = heapq.heappop(near)[1]
            elif pending:
                pair = pending.pop()
            else:
                pair = (PAD, PAD)
            order += pair
            for node in pair:
                if node != PAD and left[node] >= 0:
                    heapq.heappush(near, (-weight[node], (left[node], right[node])))
        pending += [pair for _, pair in sorted(near, reverse=True)]
    return np.array(order, dtype=np.int64)


def positions(order: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """The place of each node."""
    where = np.zeros(nodes, dtype=np.int64)
    used = order != PAD
    where[order[used]] = np.flatnonzero(used)
    return where


def below(thresholds: NDArray[Any]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: for a float32 x, x <= it decides
    exactly as x <= threshold does."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    return np.where(
        single.astype(np.float64) > thresholds, np.nextafter(single, np.float32(-np.inf)), single
    ).astype(np.float32)
