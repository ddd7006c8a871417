"""FunctionTransformer for a fixed list of functions.

log, log1p and exp are the engine's own and not bit for bit numpy's: a tree or a bin behind one is
refused unless its flips are measured. sqrt and abs are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fraud_scorer.compile.builder import Builder, Function, Matrix
from fraud_scorer.compile.registry import transformer

_FUNCTIONS = {
    np.log: Function.LOG,
    np.log1p: Function.LOG1P,
    np.exp: Function.EXP,
    np.sqrt: Function.SQRT,
    np.abs: Function.ABS,
    np.fabs: Function.ABS,
}


@transformer("sklearn.FunctionTransformer")
def function(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """The function of every column."""
    if fitted.validate:
        builder.check(builder.numbers(x))
    if fitted.func is None:
        return x
    try:
        known = _FUNCTIONS[fitted.func]
    except (KeyError, TypeError):
        name = getattr(fitted.func, "__name__", repr(fitted.func))
        raise builder.refuse(
            f"the function {name} is code, and a compiled model holds none",
            "compute it before the model, or use numpy's log, log1p, exp, sqrt or abs",
        ) from None
    if fitted.kw_args:
        raise builder.refuse("kw_args of the function", "leave them out")
    return builder.function(known, builder.numbers(x))
