"""Reference distributions: every value in one bin, and flags told apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fraud_scorer.publishing.distribution import bins


@pytest.mark.parametrize(
    "values",
    [
        np.arange(1000) / 7,
        np.repeat([0.0, 1.0], [900, 100]),
        np.concatenate([np.zeros(700), np.linspace(0.1, 1, 300)]),
        np.full(50, 3.25),
        np.array([-2.0]),
    ],
    ids=["spread", "flag", "mostly zero", "constant", "one"],
)
def test_every_value_is_in_one_bin(values: np.ndarray) -> None:
    found = bins(values.tolist())
    counted = [np.mean((values >= low) & (values < high)) for low, high in pairwise(found.edges)]
    assert found.shares == pytest.approx(counted, abs=1e-12)
    assert sum(found.shares) == pytest.approx(1)


def test_values_that_differ_have_ten_bins_of_equal_share() -> None:
    assert bins([float(one) for one in range(1000)]).shares == pytest.approx([0.1] * 10)


@pytest.mark.parametrize("ones", [1, 300, 899, 950])
def test_a_flag_has_a_bin_for_each_of_its_values(ones: int) -> None:
    found = bins([0.0] * (1000 - ones) + [1.0] * ones)
    assert found.shares == pytest.approx((1 - ones / 1000, ones / 1000))


def test_a_value_that_most_share_does_not_hide_the_others() -> None:
    found = bins([0.0] * 900 + [float(one) for one in range(1, 101)])
    assert found.shares[0] == 0.9
    assert len(found.shares) == 11


def test_the_tail_of_a_score_is_finer() -> None:
    found = bins([i / 10_000 for i in range(10_000)], tail=True)
    assert found.edges[-2] == pytest.approx(0.999, abs=1e-4)
    assert found.shares[-1] == pytest.approx(0.001, abs=2e-4)
    assert len(found.shares) == 16
    assert sum(found.shares) == pytest.approx(1)
