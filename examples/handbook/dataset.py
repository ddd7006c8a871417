"""The simulated transactions with their features, made once and kept in the cache (240 MB)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from examples.handbook import cache as caches
from examples.handbook.features import features
from examples.handbook.simulator import Parameters, Transactions, simulate
from examples.handbook.streams import Floats

_CODE = ("streams.py", "simulator.py", "features.py", "dataset.py")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Transactions in order of time, and their features, (transactions, 15)."""

    transactions: Transactions
    features: Floats


def load(parameters: Parameters | None = None, cache: Path | None = None) -> Dataset:
    """The data set of these parameters, from the cache or into it."""
    parameters = parameters or Parameters()
    of = repr(sorted(asdict(parameters).items())).encode()
    code = map(Path(__file__).with_name, _CODE)
    columns = caches.load("handbook", of, code, lambda: _made(parameters), cache)
    return Dataset(
        Transactions(
            start=parameters.start,
            seconds=columns["seconds"].astype(np.int64),
            customer=columns["customer"].astype(np.int64),
            terminal=columns["terminal"].astype(np.int64),
            amount_minor=columns["amount_minor"].astype(np.int64),
            scenario=columns["scenario"],
        ),
        columns["features"],
    )


def _made(parameters: Parameters) -> caches.Columns:
    transactions = simulate(parameters)
    return {
        "seconds": transactions.seconds.astype(np.int32),
        "customer": transactions.customer.astype(np.int32),
        "terminal": transactions.terminal.astype(np.int32),
        "amount_minor": transactions.amount_minor.astype(np.int32),
        "scenario": transactions.scenario,
        "features": features(transactions),
    }
