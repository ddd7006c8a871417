"""The stages in their order."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.admit import admit
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.decide import decide
from fraud_scorer.pipeline.envelope import AnswerModel, ScoreAnswer, Timing
from fraud_scorer.pipeline.features import features
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.pipeline.record import record
from fraud_scorer.pipeline.score import RETRY_AFTER, Scoring
from fraud_scorer.problem import NOT_READY, Problem
from fraud_scorer.registry.registry import ModelRegistry


class Pipeline:
    """From headers and body to an answer. Every way into the service goes through it."""

    def __init__(
        self, registry: ModelRegistry, scoring: Scoring, metrics: Metrics, *, patience: float
    ) -> None:
        """`patience`: seconds after which an answer is worth nothing to its caller."""
        self._registry = registry
        self._scoring = scoring
        self._metrics = metrics
        self._patience = patience

    def admit(self, headers: Mapping[bytes, bytes]) -> Context:
        """Let a request in, before its body is read. Raises Problem."""
        return admit(headers, now=time.monotonic(), patience=self._patience)

    async def answer(self, context: Context, body: bytes) -> ScoreAnswer:
        """The answer to one transaction. Raises Problem."""
        request = parse(body)
        model = self._registry.active  # once: no request is answered by two models
        if model is None:
            raise Problem(NOT_READY, "No model has been loaded yet", headers=RETRY_AFTER)

        began = time.monotonic()
        row = features(request, model.manifest)
        ready = time.monotonic()
        score = await self._scoring.score(model, row, context.deadline)
        scored = time.monotonic()
        decision = decide(score, review=model.review, decline=model.decline)

        answer = ScoreAnswer(
            prediction_id=str(uuid.uuid4()),
            score=score,
            decision=decision,
            reasons=(),
            model=AnswerModel(name=model.name, version=model.version, digest=model.digest),
            feature_age_ms=None,
            degraded=tuple(context.degraded),
            timing_ms=Timing(
                features=_milliseconds(ready - began),
                model=_milliseconds(scored - ready),
                total=_milliseconds(time.monotonic() - context.received),
            ),
        )
        record(context, request, answer, self._metrics)
        return answer


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
