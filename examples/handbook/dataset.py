"""The simulated transactions with their features, made once and kept in the cache.

What is kept belongs to the parameters and to the code that made it: a change of either makes it
anew. The cache is $FRAUDOPS_CACHE/data, or ~/.cache/fraudops/data; 240 MB at full size.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from examples.handbook.features import features
from examples.handbook.simulator import Parameters, Transactions, simulate
from examples.handbook.streams import Floats

_KEPT = 2
"""How many data sets the cache holds; the oldest goes first."""
_CODE = ("streams.py", "simulator.py", "features.py", "dataset.py")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Transactions in order of time, and their features, (transactions, 15)."""

    transactions: Transactions
    features: Floats


def load(parameters: Parameters | None = None, cache: Path | None = None) -> Dataset:
    """The data set of these parameters, from the cache or into it."""
    parameters = parameters or Parameters()
    path = (cache or cache_folder()) / f"handbook-{_key(parameters)}.npz"
    if not path.exists():
        transactions = simulate(parameters)
        _store(path, Dataset(transactions, features(transactions)))
    return _read(path, parameters)


def cache_folder() -> Path:
    """Where data sets are kept."""
    root = os.environ.get("FRAUDOPS_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "fraudops") / "data"


def _key(parameters: Parameters) -> str:
    digest = hashlib.sha256(repr(sorted(asdict(parameters).items())).encode())
    for name in _CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:16]


def _store(path: Path, dataset: Dataset) -> None:
    """Write it whole or not at all, also where two processes do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    transactions = dataset.transactions
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
        partial = Path(file.name)
        try:
            np.savez(
                file,
                seconds=transactions.seconds.astype(np.int32),
                customer=transactions.customer.astype(np.int32),
                terminal=transactions.terminal.astype(np.int32),
                amount_minor=transactions.amount_minor.astype(np.int32),
                scenario=transactions.scenario,
                features=dataset.features,
            )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    newest = sorted(path.parent.glob("handbook-*.npz"), key=lambda one: -one.stat().st_mtime)
    for old in newest[_KEPT:]:
        old.unlink(missing_ok=True)


def _read(path: Path, parameters: Parameters) -> Dataset:
    with np.load(path, allow_pickle=False) as columns:
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
