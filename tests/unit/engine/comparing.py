"""Engine against scikit-learn on the same rows: what differs, and by how much."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile import compile_model
from fraud_scorer.engine import Model, RowError, load
from tests.unit.engine.catalogue import Case, fitted, scores, table
from tests.unit.engine.data import Row, as_frame, hostile_rows


@dataclass
class Tally:
    """Comparisons of one family."""

    models: int = 0
    scores: int = 0
    equal: int = 0
    refused: int = 0
    worst: float = 0.0

    def add(self, ours: NDArray[Any], theirs: NDArray[Any], refused: int) -> None:
        self.models += 1
        self.scores += len(ours)
        self.equal += int((ours == theirs).sum())
        self.refused += refused
        if len(ours):
            self.worst = max(self.worst, float(np.abs(ours - theirs).max()))


TALLIES: dict[str, Tally] = {}


@cache
def compiled_bytes(case: Case, seed: int = 0, n: int = 500) -> bytes:
    return compile_model(fitted(case.name, seed, n), table(case.kind, n, seed).specs)


def compiled(case: Case, seed: int = 0, n: int = 500) -> Model:
    return load(compiled_bytes(case, seed, n))


def thresholds(model: Any) -> NDArray[Any]:
    """Split values anywhere in a fitted object."""
    found: list[Any] = []
    _collect(model, found, set())
    return np.unique(np.concatenate(found)) if found else np.zeros(0)


def _collect(one: Any, found: list[Any], seen: set[int]) -> None:
    if id(one) in seen:
        return
    seen.add(id(one))
    if hasattr(one, "tree_"):
        found.append(one.tree_.threshold[one.tree_.children_left >= 0])
    elif type(one).__name__ == "TreePredictor":
        splits = ~one.nodes["is_leaf"].astype(bool) & ~one.nodes["is_categorical"].astype(bool)
        found.append(one.nodes["num_threshold"][splits])
    elif isinstance(one, (list, tuple)) or (isinstance(one, np.ndarray) and one.dtype == object):
        for part in one:
            _collect(part, found, seen)
    elif isinstance(one, dict) or hasattr(one, "__dict__"):
        for part in (one if isinstance(one, dict) else vars(one)).values():
            if not isinstance(part, (str, float, int)):
                _collect(part, found, seen)


def split_by_engine(model: Model, rows: list[Row]) -> tuple[list[Row], list[Row], NDArray[Any]]:
    """(rows with a score, rows refused, the scores)"""
    taken, refused, ours = [], [], []
    for row in rows:
        try:
            ours.append(model.score_one(row))
            taken.append(row)
        except RowError:
            refused.append(row)
    return taken, refused, np.array(ours)


def compare(
    case: Case, seed: int, train: int, rows: int, hostile: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores by the engine and by scikit-learn, of fresh rows and hostile ones. Fails where one
    refuses a row that the other takes."""
    model = fitted(case.name, seed, train)
    fresh = table(case.kind, rows, seed + 1000)
    engine = compiled(case, seed, train)
    assert engine.header.exactness == case.level
    edges = thresholds(model)
    edges = edges[np.isfinite(edges)]
    tried = fresh.rows + hostile_rows(fresh, edges, seed, hostile)
    taken, refused, ours = split_by_engine(engine, tried)
    assert len(taken) >= 0.5 * len(tried)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = scores(case, model, as_frame(fresh.specs, taken))
        for row in refused:
            _must_refuse(case, model, fresh.specs, row)
    TALLIES.setdefault(case.family, Tally()).add(ours, theirs, len(refused))
    return ours, theirs


def _must_refuse(case: Case, model: Any, specs: Any, row: Row) -> None:
    try:
        score = scores(case, model, as_frame(specs, [row]))
    except ValueError:
        return
    assert np.isnan(score).all(), f"scikit-learn takes a row that the engine refuses: {row}"
