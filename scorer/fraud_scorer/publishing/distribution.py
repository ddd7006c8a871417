"""How values are distributed, in a form small enough for a manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraud_scorer.artifact.manifest import Bins

_BINS = 10
_TAIL = (0.95, 0.98, 0.99, 0.995, 0.998, 0.999)


def bins(values: Sequence[float], *, tail: bool = False) -> Bins:
    """The distribution of the values (at least one) in about ten bins of equal share.

    With `tail` the highest tenth has finer ones: decisions are made by a score's last hundredth.
    Where a tenth or more are the lowest value (not at night, no fraud seen) that has a bin of its
    own: with deciles alone, a flag would be one bin from 0 to 1, and its drift could not be seen.
    """
    every = np.asarray(values, dtype=float)
    lowest = every.min()
    above = every[every > lowest]
    crowded = len(every) - len(above) >= len(every) / _BINS
    spread = above if crowded and above.size else every
    inner = np.quantile(spread, np.linspace(0, 1, _BINS + 1)[:-1])
    if tail:
        inner = np.concatenate([inner, np.quantile(every, _TAIL)])
    beyond = np.nextafter(every.max(), np.inf)  # an edge belongs to the bin above it
    edges = np.unique(np.concatenate([[lowest], inner, [beyond]]))
    counts, _ = np.histogram(every, edges)
    return Bins(edges=tuple(edges.tolist()), shares=tuple((counts / len(every)).tolist()))
