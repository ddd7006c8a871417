"""The engine's own exp, log and expit against decimal arithmetic: the bounds that it states."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest

from fraud_scorer.engine import _walk

BOUNDS = {"exp": 0.52, "exp2": 0.52, "log": 1.0, "log1p": 3.0, "expit": 2.6}
"""Units in the last place, for results that are not subnormal."""

LN2 = Decimal(2).ln()


def exact(name: str, x: float) -> Decimal:
    d = Decimal(x)
    if name == "exp":
        return d.exp()
    if name == "exp2":
        return (d * LN2).exp()
    if name == "log":
        return d.ln()
    if name == "log1p":
        return (1 + d).ln()
    return 1 / (1 + (-d).exp())


def arguments(name: str, n: int) -> list[float]:
    rng = np.random.default_rng(1)
    if name == "log":
        near = 1 + rng.normal(size=n) * 10.0 ** rng.integers(-12, 0, n)
        wide = np.exp2(rng.uniform(-1070, 1020, n))
        return [float(v) for v in np.concatenate([near[near > 0], wide])]
    if name == "log1p":
        return [
            float(v) for v in np.expm1(rng.uniform(-30, 600, n) * rng.choice([1e-9, 1e-3, 1], n))
        ]
    scale = {"exp": 700.0, "exp2": 1020.0, "expit": 40.0}[name]
    return [float(v) for v in rng.uniform(-scale, scale, n) * rng.choice([1e-9, 1e-4, 1e-2, 1], n)]


def worst(name: str, n: int) -> float:
    with localcontext() as context:
        context.prec = 50
        errors = []
        for x in arguments(name, n):
            want, got = exact(name, x), _walk.math_function(name, x)
            ulp = Decimal(math.ulp(float(want)))
            errors.append(float(abs(Decimal(got) - want) / ulp))
    return max(errors)


@pytest.mark.parametrize("name", BOUNDS)
def test_error_bound(name: str) -> None:
    assert worst(name, 600) <= BOUNDS[name]


@pytest.mark.long
@pytest.mark.parametrize("name", BOUNDS)
def test_error_bound_over_many(name: str) -> None:
    found = worst(name, 100_000)
    print(f"{name}: worst error {found:.3f} ulp")
    assert found <= BOUNDS[name]


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("exp", 0.0, 1.0),
        ("exp", -0.0, 1.0),
        ("exp", 709.782712893384, 1.7976931348622732e308),
        ("exp", 709.7827128933841, math.inf),
        ("exp", -745.1332191019411, 5e-324),
        ("exp", -746.0, 0.0),
        ("exp", math.inf, math.inf),
        ("exp", -math.inf, 0.0),
        ("exp2", 1023.0, 2.0**1023),
        ("exp2", 1024.0, math.inf),
        ("exp2", -1074.0, 5e-324),
        ("exp2", -1080.0, 0.0),
        ("exp2", -0.5, math.sqrt(0.5)),
        ("log", 1.0, 0.0),
        ("log", 0.0, -math.inf),
        ("log", math.inf, math.inf),
        ("log", 5e-324, -744.4400719213812),
        ("log1p", 0.0, 0.0),
        ("log1p", 1e-300, 1e-300),
        ("log1p", -1.0, -math.inf),
        ("expit", 0.0, 0.5),
        ("expit", -800.0, 0.0),
        ("expit", 800.0, 1.0),
        ("expit", math.inf, 1.0),
    ],
)
def test_ends(name: str, x: float, want: float) -> None:
    assert _walk.math_function(name, x) == want


@pytest.mark.parametrize("name", BOUNDS)
def test_nan_stays(name: str) -> None:
    assert math.isnan(_walk.math_function(name, math.nan))


@pytest.mark.parametrize("name", ["log", "log1p"])
def test_no_logarithm_of_negatives(name: str) -> None:
    assert math.isnan(_walk.math_function(name, -2.0))


def test_expit_rises() -> None:
    values = [_walk.math_function("expit", float(x)) for x in np.linspace(-40, 40, 20001)]
    assert all(a <= b for a, b in pairwise(values))
