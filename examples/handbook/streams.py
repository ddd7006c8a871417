"""Thousands of random streams drawn from at once, number for number those of one at a time.

The published data set gives every customer a generator of his own, seeds it with his number and
draws one value after the other, how many depending on the values. `Streams` walks all of them in
step: each call draws one value from every stream named, as NumPy's `RandomState` would (its
algorithms are frozen), so the data are the published ones and take seconds instead of minutes.
`choices` does the same for `random.choice`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_AHEAD = 256
"""Uniform numbers held ready per stream: 2 KiB each, and a refill is rare."""


class Streams:
    """One Mersenne Twister per seed. `rows` name streams by position, each at most once a call."""

    def __init__(self, seeds: Iterable[int]) -> None:
        self._states = [np.random.RandomState(seed) for seed in seeds]
        count = len(self._states)
        self._ready = np.empty((count, _AHEAD))
        self._used = np.full(count, _AHEAD)
        self._spare = np.zeros(count)
        self._has_spare = np.zeros(count, dtype=bool)

    def random(self, rows: Integers) -> Floats:
        """The next number of each stream, uniform in [0, 1)."""
        used = self._used[rows]
        if used.max(initial=0) == _AHEAD:
            for row in rows[used == _AHEAD]:
                self._ready[row] = self._states[row].random_sample(_AHEAD)
                self._used[row] = 0
            used = self._used[rows]
        self._used[rows] = used + 1
        drawn: Floats = self._ready[rows, used]
        return drawn

    def normal(self, rows: Integers) -> Floats:
        """Standard normal, by the polar method: numbers come in pairs, one is kept for later."""
        values = np.empty(len(rows))
        kept = self._has_spare[rows]
        values[kept] = self._spare[rows[kept]]
        self._has_spare[rows] = ~kept
        waiting = np.flatnonzero(~kept)
        while waiting.size:
            at = rows[waiting]
            x = 2.0 * self.random(at) - 1.0
            y = 2.0 * self.random(at) - 1.0
            square = x * x + y * y
            inside = (square < 1.0) & (square != 0.0)
            x, y, square = x[inside], y[inside], square[inside]
            factor = np.sqrt(-2.0 * np.log(square) / square)
            self._spare[at[inside]] = factor * x
            values[waiting[inside]] = factor * y
            waiting = waiting[~inside]
        return values

    def poisson(self, rows: Integers, rates: Floats) -> Integers:
        """Poisson with a rate below 10 for each row, by multiplying uniform numbers."""
        if rates.max(initial=0) >= 10:
            raise ValueError("RandomState draws Poisson numbers in another way from a rate of 10")
        counts = np.zeros(len(rows), dtype=np.int64)
        products = np.ones(len(rows))
        limits = np.exp(-rates)
        waiting = np.flatnonzero(rates > 0)
        while waiting.size:
            products[waiting] *= self.random(rows[waiting])
            waiting = waiting[products[waiting] > limits[waiting]]
            counts[waiting] += 1
        return counts


def choices(seed: int, options: int, count: int) -> Integers:
    """What `count` calls of `random.choice(range(options))` return after `random.seed(seed)`."""
    generator = random.Random(seed)
    bits = options.bit_length()
    chosen = np.empty(0, dtype=np.int64)
    while len(chosen) < count:
        words = count + 16
        raw = generator.getrandbits(32 * words).to_bytes(4 * words, "little")
        drawn = np.frombuffer(raw, dtype="<u4").astype(np.int64) >> (32 - bits)
        chosen = np.concatenate([chosen, drawn[drawn < options]])
    return chosen[:count]
