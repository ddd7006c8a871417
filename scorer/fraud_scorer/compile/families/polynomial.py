"""PolynomialFeatures, with the products associated as scikit-learn associates them.

Dense: a monomial is the one of the lower degree that lacks its first factor, times that factor.
A column made of several inputs belongs to none of them, so a model over it gives no reasons.
"""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import Any

from fraud_scorer.compile.builder import Builder, Matrix
from fraud_scorer.compile.registry import transformer


@transformer("sklearn.PolynomialFeatures")
def polynomial(builder: Builder, fitted: Any, x: Matrix) -> Matrix:
    """Products of up to `degree` columns, by degree, then lexicographically."""
    if x.sparse and fitted._max_degree > 2:
        raise builder.refuse(
            "degree above 2 on a sparse matrix multiplies in another order",
            "give ColumnTransformer sparse_threshold=0, or encoders sparse_output=False",
        )
    builder.check(builder.numbers(x))
    choose = combinations if fitted.interaction_only else combinations_with_replacement
    made: dict[tuple[int, ...], int] = {(i,): slot for i, slot in enumerate(x.slots)}
    for degree in range(2, fitted._max_degree + 1):
        monomials = list(choose(range(len(x)), degree))
        if monomials:
            slots = builder.product(
                [made[m[1:]] for m in monomials], [made[m[:1]] for m in monomials]
            )
            made.update(zip(monomials, slots, strict=True))
    bias = [builder.constant(1.0)] if fitted.include_bias else []
    kept = [slot for m, slot in made.items() if len(m) >= max(1, fitted._min_degree)]
    return Matrix((*bias, *kept), x.sparse)
