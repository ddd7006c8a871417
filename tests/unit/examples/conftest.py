"""The simulated businesses that several files ask of: one small, one as published."""

from __future__ import annotations

import pytest

from examples.handbook import kept
from examples.handbook.dataset import Dataset
from examples.handbook.features import features
from examples.handbook.kept import Kept
from examples.handbook.simulator import Parameters, Transactions, labelled, simulate, spend

Published = tuple[Transactions, tuple[int, int, int]]


@pytest.fixture(scope="session")
def published() -> Published:
    """The published transactions, and how many frauds each scenario added; some seconds."""
    parameters = Parameters()
    return labelled(spend(parameters), parameters)


@pytest.fixture(scope="session")
def small_dataset() -> Dataset:
    """A business of 150 customers that lasts until the test week is over."""
    transactions = simulate(Parameters(customers=150, terminals=200, radius=12, days=137))
    return Dataset(transactions, features(transactions))


@pytest.fixture(scope="session")
def small_kept(small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """What is kept of its customers and terminals."""
    return kept.load(small_dataset.transactions, tmp_path_factory.mktemp("kept"))
