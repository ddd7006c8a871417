"""What a transaction costs in this process: the model, its reasons, and the whole pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.measure.rows import body
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry

_BATCH = 256
_ROUNDS = 5


class Computed(Struct, frozen=True, kw_only=True, rename="camel"):
    """Microseconds a transaction: the best of several rounds, which other work disturbed least."""

    one: float
    """The model, asked for one row at a time."""
    batch: float
    """The model, asked for 256 rows at a time."""
    reasons: float | None
    """Finding the reasons of one row; None where the model gives none."""
    pipeline: float
    """From the body of a request to that of its answer."""


def compute(model: LoadedModel, rows: Sequence[dict[str, Value]], seconds: float) -> Computed:
    """Measure each for about `seconds`."""
    ready = [model.inputs.whole_row(row) for row in rows]
    score, explain = model.model.score_one, model.model.explain
    batches = [ready[i : i + _BATCH] for i in range(0, len(ready), _BATCH)]
    pipeline, bodies = _pipeline(model), [body(model, row, i) for i, row in enumerate(rows)]

    def whole(request: bytes) -> None:
        pipeline.answer(pipeline.admit({}), request)

    explained: float | None = None
    if model.explains:
        explained = _microseconds(lambda row: explain(row, model.reasons), ready, seconds)
    return Computed(
        one=_microseconds(score, ready, seconds),
        batch=_microseconds(model.model.score_rows, batches, seconds) / _mean_length(batches),
        reasons=explained,
        pipeline=_microseconds(whole, bodies, seconds),
    )


def _pipeline(model: LoadedModel) -> Pipeline:
    registry = ModelRegistry()
    registry.install(model)
    registry.activate(model.revision)
    return Pipeline(registry, Metrics(), patience=3600)


def _mean_length(batches: Sequence[Sequence[Any]]) -> float:
    return sum(map(len, batches)) / len(batches)


def _microseconds(do: Callable[[Any], Any], items: Sequence[Any], seconds: float) -> float:
    """The time that an item takes, over whole passes through all of them."""
    best = float("inf")
    for _ in range(_ROUNDS):
        passes, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds / _ROUNDS or passes == 0:
            for item in items:
                do(item)
            passes += 1
        passed = time.perf_counter() - began
        best = min(best, passed / (passes * len(items)))
    return round(best * 1e6, 3)
