"""ColumnTransformer and FeatureUnion: parts side by side, in the order of the transformers."""

from __future__ import annotations

from typing import Any

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.families.pipelines import transform
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.ColumnTransformer")
def column_transformer(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """Each transformer's columns, the remainder last"""
    slots: list[int] = []
    for name, one, _ in fitted.transformers_:
        columns = fitted._transformer_to_input_indices[name]
        if (isinstance(one, str) and one == "drop") or len(columns) == 0:
            continue
        slots += transform(builder, name, one, x.take(columns)).slots
    return Matrix(tuple(slots), sparse=bool(fitted.sparse_output_))


@transformer("sklearn.FeatureUnion")
def feature_union(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """Each transformer's columns of the same input; sparse where any part is"""
    slots: list[int] = []
    sparse = False
    for name, one in fitted.transformer_list:
        if isinstance(one, str) and one == "drop":
            continue
        if (fitted.transformer_weights or {}).get(name) is not None:
            raise builder.refuse("transformer_weights", "put a scaler into the part")
        part = transform(builder, name, one, x)
        slots += part.slots
        sparse = sparse or part.sparse
    return Matrix(tuple(slots), sparse)
