"""Drawing in step gives what each generator gives alone."""

import random

import numpy as np
import pytest

from examples.handbook.streams import Streams, choices

SEEDS = (0, 1, 7, 4_999)


def test_mixed_draws_are_those_of_random_state() -> None:
    """More draws than are held ready, every kind in turn, on subsets of the streams."""
    streams = Streams(SEEDS)
    alone = [np.random.RandomState(seed) for seed in SEEDS]
    rates = np.array([0.0, 0.3, 2.0, 3.9])
    for turn in range(300):
        rows = np.array([row for row in range(len(SEEDS)) if (turn + row) % 3])
        counts = streams.poisson(rows, rates[rows])
        assert counts.tolist() == [alone[row].poisson(rates[row]) for row in rows]
        assert streams.normal(rows) == pytest.approx(
            [alone[row].normal() for row in rows], rel=1e-14
        )
        assert streams.random(rows).tolist() == [alone[row].random_sample() for row in rows]


def test_a_rate_that_random_state_draws_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="rate of 10"):
        Streams([0]).poisson(np.array([0]), np.array([10.0]))


@pytest.mark.parametrize("options", [1, 2, 3, 64, 93])
def test_choices_are_those_of_the_standard_library(options: int) -> None:
    random.seed(42)
    expected = [random.choice(range(options)) for _ in range(500)]
    assert choices(42, options, 500).tolist() == expected
