"""The stages in their order."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.admit import admit
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.decide import decide
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest, Timing
from fraud_scorer.pipeline.features import features
from fraud_scorer.pipeline.ids import new_id
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.pipeline.record import record
from fraud_scorer.pipeline.score import reasons, score
from fraud_scorer.problem import NOT_READY, OVERLOADED, RETRY_AFTER, Problem
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry


class Pipeline:
    """From headers and body to an answer. Every way into the service goes through it.

    It never waits: an answer takes microseconds, and the server decides how many requests it lets
    in. Used from the event loop's thread only.
    """

    def __init__(self, registry: ModelRegistry, metrics: Metrics, *, patience: float) -> None:
        """`patience`: seconds after which an answer is worth nothing to its caller."""
        self._registry = registry
        self._metrics = metrics
        self._patience = patience

    def admit(self, headers: Mapping[bytes, bytes]) -> Context:
        """Let a request in, before its body is read. Raises Problem."""
        return admit(headers, now=time.monotonic(), patience=self._patience)

    def answer(self, context: Context, body: bytes) -> ScoreAnswer:
        """The answer to one transaction. Raises Problem."""
        return self.answer_parsed(context, parse(body), self.active_model())

    def active_model(self) -> LoadedModel:
        """The model that answers now; ask once, as no request is answered by two. Raises Problem
        where there is none."""
        if self._registry.active is None:
            raise Problem(NOT_READY, "No model has been loaded yet", headers=RETRY_AFTER)
        return self._registry.active

    def check(self, request: ScoreRequest, model: LoadedModel) -> None:
        """Raise the Problem of a transaction that this model cannot score as it was sent."""
        features(request, model)

    def answer_parsed(
        self, context: Context, request: ScoreRequest, model: LoadedModel
    ) -> ScoreAnswer:
        """The answer to a transaction that came in another form, by this model. Raises Problem."""
        began = time.monotonic()
        if began > context.deadline:
            raise Problem(OVERLOADED, "The deadline passed while waiting", headers=RETRY_AFTER)

        row = features(request, model)
        ready = time.monotonic()
        probability = score(model, row)
        decision = decide(probability, review=model.review, decline=model.decline)
        why = reasons(model, row) if decision != "approve" else ()
        scored = time.monotonic()

        answer = ScoreAnswer(
            prediction_id=new_id(),
            score=probability,
            decision=decision,
            reasons=why,
            model=model.named,
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
    return int(seconds * 1e6) / 1000  # round() takes several times as long
