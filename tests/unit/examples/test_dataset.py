"""The cache of data sets: what it gives back, and when it makes anew."""

from pathlib import Path

import numpy as np
import pytest

from examples.handbook import cache, dataset
from examples.handbook.simulator import Parameters

SMALL = Parameters(customers=10, terminals=20, radius=50, days=12)


def test_what_comes_from_the_cache_is_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataset.load(SMALL, tmp_path)
    monkeypatch.setattr(dataset, "simulate", None)
    cached = dataset.load(SMALL, tmp_path)
    assert np.array_equal(cached.features, made.features)
    for column in ("seconds", "customer", "terminal", "amount_minor", "scenario"):
        ours, theirs = getattr(cached.transactions, column), getattr(made.transactions, column)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_other_parameters_are_another_data_set_and_only_two_are_kept(tmp_path: Path) -> None:
    sizes = [len(dataset.load(Parameters(4, 9, 90, days), tmp_path).features) for days in (3, 5, 7)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        dataset.load(SMALL, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_cache_lies_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUDOPS_CACHE", str(tmp_path))
    assert cache.folder() == tmp_path / "data"
