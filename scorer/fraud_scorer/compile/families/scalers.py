"""StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler: exact, operation by operation.

On a sparse matrix scikit-learn multiplies by the reciprocal instead of dividing; so do we there.
"""

from __future__ import annotations

from typing import Any

from fraud_scorer.compile.builder import Builder, Code, Matrix
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.StandardScaler")
def standard(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """(x - mean) / scale"""
    mean = fitted.mean_ if fitted.with_mean and not x.sparse else None
    return _centre_and_divide(builder, x, mean, fitted.scale_ if fitted.with_std else None)


@transformer("sklearn.RobustScaler")
def robust(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """(x - median) / range of quantiles"""
    centre = fitted.center_ if fitted.with_centering and not x.sparse else None
    return _centre_and_divide(builder, x, centre, fitted.scale_ if fitted.with_scaling else None)


@transformer("sklearn.MinMaxScaler")
def min_max(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """x * scale + min, clipped where asked"""
    builder.check(builder.numbers(x), nan=False)
    x = builder.elementwise(Code.MUL, x, fitted.scale_)
    x = builder.elementwise(Code.ADD, x, fitted.min_)
    if fitted.clip:
        x = builder.elementwise(Code.CLIP, x, *map(float, fitted.feature_range))
    return x


@transformer("sklearn.MaxAbsScaler")
def max_abs(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """x / largest absolute value, clipped where asked"""
    x = _centre_and_divide(builder, x, None, fitted.scale_)
    if getattr(fitted, "clip", False):
        x = builder.elementwise(Code.CLIP, x, -1.0, 1.0)
    return x


def _centre_and_divide(builder: Builder, x: Matrix, centre: Any, scale: Any) -> Matrix:
    builder.check(builder.numbers(x), nan=False)
    if centre is not None:
        x = builder.elementwise(Code.SUB, x, centre)
    if scale is not None:
        code, operand = (Code.MUL, 1.0 / scale) if x.sparse else (Code.DIV, scale)
        x = builder.elementwise(code, x, operand)
    return x
