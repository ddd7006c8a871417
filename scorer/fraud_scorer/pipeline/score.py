"""Stage four: rows to scores, off the event loop.

One thread computes. Rows that arrive while it does wait, and then go together, as a call costs many
times what a further row in it does. The number of waiting rows is bounded, and a row whose deadline
has passed is dropped unscored: an overloaded service answers some in time, not all too late.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fraud_scorer.model.protocol import Row
from fraud_scorer.problem import INTERNAL, INVALID, OVERLOADED, Problem
from fraud_scorer.registry.loaded import LoadedModel

MAX_BATCH = 128
RETRY_AFTER = ((b"retry-after", b"1"),)

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    model: LoadedModel
    row: Row
    deadline: float
    score: asyncio.Future[float]


class Scoring:
    """The queue before the thread that computes. Belongs to one event loop."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score")
        self._worker: asyncio.Task[None] | None = None

    async def score(self, model: LoadedModel, row: Row, deadline: float) -> float:
        """The row's probability of fraud.

        Raises Problem: 503 where too many wait or the deadline passes, 422 where the model has no
        probability for the row, 500 where it fails.
        """
        if len(self._queue) >= self._max_waiting:
            raise Problem(
                OVERLOADED, f"{self._max_waiting} transactions are waiting", headers=RETRY_AFTER
            )
        waiting = _Waiting(model, row, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await waiting.score

    def close(self) -> None:
        """Stop the thread. Nothing may be waiting any more."""
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        """Score until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                if batch := self._next_batch(time.monotonic()):
                    rows = [one.row for one in batch]
                    results = await loop.run_in_executor(
                        self._thread, _score_each, batch[0].model, rows
                    )
                    for waiting, result in zip(batch, results, strict=True):
                        _resolve(waiting.score, result)
        finally:
            self._worker = None

    def _next_batch(self, now: float) -> list[_Waiting]:
        """The rows at the head of the queue that are for the same model and still worth it."""
        batch: list[_Waiting] = []
        while self._queue and len(batch) < MAX_BATCH:
            if batch and self._queue[0].model is not batch[0].model:
                break
            waiting = self._queue.popleft()
            if now >= waiting.deadline:
                late = Problem(OVERLOADED, "The deadline passed while waiting", headers=RETRY_AFTER)
                _resolve(waiting.score, late)
            elif not waiting.score.done():
                batch.append(waiting)
        return batch


def _resolve(future: asyncio.Future[float], result: float | Exception) -> None:
    if future.done():  # whoever asked is gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _score_each(model: LoadedModel, rows: Sequence[Row]) -> list[float | Exception]:
    """Scores in one call; row by row where that fails, so that one row spoils no other's answer."""
    try:
        scores = model.model.score(rows)
    except Exception as error:  # the model's own code may raise anything
        if len(rows) > 1:
            return [_score_each(model, [row])[0] for row in rows]
        _log.error("model %s failed: %s", model.version, error, exc_info=error)
        return [Problem(INTERNAL, "The model failed on this transaction")]
    return [_probability(score) for score in scores]


def _probability(score: float) -> float | Exception:
    if math.isfinite(score) and 0 <= score <= 1:
        return score
    return Problem(INVALID, "The model has no probability for these features")
