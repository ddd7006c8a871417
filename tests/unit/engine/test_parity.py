"""Each family against scikit-learn, row by row: the same bits where the header says "exact",
within a few units in the last place where "rounded", close where "bounded"."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.engine.catalogue import CASES, Case
from tests.unit.engine.comparing import compare

ULPS = 6
"""The bound of docs/exactness.md on a rounded score."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parity(case: Case) -> None:
    ours, theirs = compare(case, seed=0, train=500, rows=200, hostile=40)
    if case.level == "exact":
        np.testing.assert_array_equal(ours, theirs)
    elif case.level == "rounded":
        assert (np.abs(ours - theirs) <= ULPS * np.spacing(theirs)).all()
    else:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=case.close)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parity_over_many_models(case: Case, seed: int) -> None:
    ours, theirs = compare(case, seed=seed, train=1500 + 200 * seed, rows=3000, hostile=1000)
    if case.level == "exact":
        np.testing.assert_array_equal(ours, theirs)
    elif case.level == "rounded":
        assert (np.abs(ours - theirs) <= ULPS * np.spacing(theirs)).all()
    else:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=10 * case.close)
