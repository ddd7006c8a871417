"""From trees to one tree operation: which columns it gathers, how wide its nodes are, and the
arrays of all trees one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.container import NODE8, NODE16, NONE
from fraud_scorer.compile.layout import FlatTree, below, place, positions

_FEATURE_BITS: Final = 11
_MAX_NARROW_COLUMNS: Final = (1 << _FEATURE_BITS) - 2
_MAX_NARROW_NODES: Final = 1 << (32 - _FEATURE_BITS)
_NULL_LEFT: Final = 0x80000000
_CATEGORY: Final = 0x80000000
_COLUMN_CATEGORY: Final = 0x40000000
_ROUND_TO_FLOAT32: Final = 1


def add_trees(builder: Builder, trees: Sequence[FlatTree], x: Matrix, base: float = 0.0) -> int:
    """The slot of base + the leaves' values, added in the order of the trees."""
    single = trees[0].single
    used, columns = _columns(builder, trees, x)
    builder.threshold(Matrix(tuple(dict.fromkeys(x.slots[c] for c, _, _ in used))))
    narrow = (
        single
        and len(used) <= _MAX_NARROW_COLUMNS
        and all(len(t.left) < _MAX_NARROW_NODES // 2 for t in trees)
    )
    builder.trees += len(trees)
    builder.nodes += sum(len(t.left) for t in trees)
    sources = [int(x.slots[c]) for c, _, _ in used]
    if narrow:
        nodes, values, roots = _narrow(builder, trees, used, x)
        third = builder.sections.add(values)
    else:
        nodes, sets, roots = _wide(builder, trees, used, x)
        third = builder.sections.add(sets) if len(sets) else NONE
    return builder.walk(
        Code.TREES8 if narrow else Code.TREES16,
        columns,
        [builder.sections.add(nodes), third, builder.sections.add(roots)],
        base=base,
        flags=0 if narrow or not single else _ROUND_TO_FLOAT32,
        sources=sources,
    )


_Use = dict[tuple[int, bool, bool], int]
"""(column, a missing value goes left, holds category codes) -> its place in the gathered row."""


def _columns(builder: Builder, trees: Sequence[FlatTree], x: Matrix) -> tuple[_Use, NDArray[Any]]:
    """A column where missing values go left at some nodes and right at others is gathered twice."""
    used: set[tuple[int, bool, bool]] = set()
    for tree in trees:
        splits = tree.left >= 0
        left = tree.null_left & splits
        category = _is_category(tree)
        used.update(
            _use(builder, x, *key)
            for key in zip(
                tree.column[splits].tolist(),
                left[splits].tolist(),
                category[splits].tolist(),
                strict=True,
            )
        )
    ordered = {key: i + 1 for i, key in enumerate(sorted(used))}
    columns = np.array(
        [
            x.slots[c] | (_NULL_LEFT if left else 0) | (_COLUMN_CATEGORY if category else 0)
            for c, left, category in ordered
        ],
        dtype="<u4",
    )
    return ordered, columns


def _use(
    builder: Builder, x: Matrix, column: int, left: bool, category: bool
) -> tuple[int, bool, bool]:
    if category:
        return column, False, True
    return column, left and builder.slots[x.slots[column]].nan, False


def _is_category(tree: FlatTree) -> NDArray[np.bool_]:
    if tree.category is None:
        return np.zeros(len(tree.left), dtype=bool)
    return tree.category >= 0


def _places(builder: Builder, tree: FlatTree, used: _Use, x: Matrix) -> NDArray[np.int64]:
    """The place of each node's column in the gathered row, 0 for leaves."""
    category = _is_category(tree)
    table = {
        key: used[_use(builder, x, *key)]
        for key in set(
            zip(
                tree.column[tree.left >= 0].tolist(),
                tree.null_left[tree.left >= 0].tolist(),
                category[tree.left >= 0].tolist(),
                strict=True,
            )
        )
    }
    places = np.zeros(len(tree.left), dtype=np.int64)
    for (column, left, is_category), place_ in table.items():
        places[
            (tree.left >= 0)
            & (tree.column == column)
            & (tree.null_left == left)
            & (category == is_category)
        ] = place_
    return places


def _narrow(
    builder: Builder, trees: Sequence[FlatTree], used: _Use, x: Matrix
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    leaves = np.concatenate([t.value[t.left < 0] for t in trees])
    # By bits: equal values are kept once, and 0.0 and -0.0 stay apart.
    values, index = np.unique(leaves.astype("<f8").view("<u8"), return_inverse=True)
    parts, roots, leaf_at = [], [0], 0
    for tree in trees:
        order = place(tree, pairs_per_line=4)
        at = positions(order, len(tree.left))
        nodes = np.zeros(len(order), dtype=NODE8)
        split = tree.left >= 0
        count = int((~split).sum())
        nodes["threshold"][at[split]] = below(tree.threshold[split])
        nodes["link"][at[split]] = ((at[tree.left[split]] - at[split]) << _FEATURE_BITS) | _places(
            builder, tree, used, x
        )[split]
        nodes["threshold"][at[~split]] = index[leaf_at : leaf_at + count].astype("<u4").view("<f4")
        leaf_at += count
        parts.append(nodes)
        roots.append(roots[-1] + len(order))
    return np.concatenate(parts), values.view("<f8"), np.array(roots, dtype="<u4")


def _wide(
    builder: Builder, trees: Sequence[FlatTree], used: _Use, x: Matrix
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    parts, roots, sets, n_sets = [], [0], [], 0
    for tree in trees:
        order = place(tree, pairs_per_line=2)
        at = positions(order, len(tree.left))
        nodes = np.zeros(len(order), dtype=NODE16)
        split = tree.left >= 0
        nodes["threshold"][at] = np.where(split, tree.threshold, tree.value)
        nodes["feature"][at] = _places(builder, tree, used, x)
        nodes["delta"][at[split]] = at[tree.left[split]] - at[split]
        category = _is_category(tree) & split
        if category.any() and tree.category is not None and tree.sets is not None:
            nodes["threshold"][at[category]] = tree.category[category] + n_sets
            nodes["feature"][at[category]] |= np.uint32(_CATEGORY)
            sets.append(tree.sets.astype("<u4").ravel())
            n_sets += len(tree.sets)
        parts.append(nodes)
        roots.append(roots[-1] + len(order))
    flat = np.concatenate(sets) if sets else np.zeros(0, dtype="<u4")
    return np.concatenate(parts), flat, np.array(roots, dtype="<u4")
