"""The stages in their order, and which model takes part in them.

The active model answers, the candidate what falls into its share. Where the candidate cannot, the
active one does: a trial costs nobody an answer. Each transaction asks who answers at its own turn,
so that a withdrawal holds from the next one on, also in the middle of a batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.admit import admit
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.decide import decide
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest, Timing
from fraud_scorer.pipeline.features import features
from fraud_scorer.pipeline.ids import new_id
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.pipeline.record import record
from fraud_scorer.pipeline.score import NoProbability, Unscorable, reasons, score
from fraud_scorer.pipeline.shadow import Shadow
from fraud_scorer.problem import NOT_FOUND, NOT_READY, OVERLOADED, RETRY_AFTER, Problem
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry, Role, Roles
from fraud_scorer.registry.share import Share
from fraud_scorer.tally import Tally

MODEL = "model"
"""What an answer had to do without where another model stood in, or none was there."""

_UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class _Scorer:
    """A model in its part."""

    model: LoadedModel
    role: Role
    tally: Tally
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class _Trial:
    """A candidate: with a share, or as a shadow."""

    candidate: _Scorer
    share: Share | None


class Pipeline:
    """From headers and body to an answer. Every way into the service goes through it.

    It never waits: an answer takes microseconds, and the server decides how many requests it lets
    in. Used from the event loop's thread only.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        metrics: Metrics,
        *,
        patience: float,
        later: Callable[[Callable[[], None]], Any] | None = None,
    ) -> None:
        """`patience`: seconds after which an answer is worth nothing to its caller. `later` calls
        when the event loop has turned; without it there is no shadow."""
        self._metrics = metrics
        self._patience = patience
        self._active: _Scorer | None = None
        self._trial: _Trial | None = None
        self._roles = Roles()
        self._unavailable = metrics.tally("", "", _UNAVAILABLE)
        self._shadow = Shadow(self._shadowed, metrics.shadow_dropped, later) if later else None
        registry.watch(self._assigned)

    def admit(self, headers: Mapping[bytes, bytes]) -> Context:
        """Let a request in, before its body is read. Raises Problem."""
        return admit(headers, now=time.monotonic(), patience=self._patience)

    def arrived(self, context: Context) -> None:
        """Its body took a while, and is all there now: patience counts from here."""
        context.deadline = time.monotonic() + self._patience

    def answer(self, context: Context, body: bytes) -> ScoreAnswer:
        """The answer to one transaction. Raises Problem."""
        request = parse(body)
        if self._trial is None:
            return self._answer(self._active, context, request)
        return self._answer_on_trial(self._trial, context, request)

    def answer_parsed(
        self, context: Context, request: ScoreRequest, *, version: str = ""
    ) -> ScoreAnswer:
        """The answer to a transaction that came in another form. Raises Problem.

        Whoever asks for a version gets that one or none, and takes part in no trial.
        """
        if version:
            if self.active_model().version != version:
                raise Problem(NOT_FOUND, f"Version {version} does not answer any more")
        elif self._trial is not None:
            return self._answer_on_trial(self._trial, context, request)
        return self._answer(self._active, context, request)

    def active_model(self) -> LoadedModel:
        """The model that answers what is not a candidate's. Raises Problem where there is none."""
        if self._active is None:
            raise _no_model()
        return self._active.model

    @property
    def stands_in(self) -> bool:
        """Whether what answers is not what should, because that cannot be had."""
        return self._active is None or self._active.stands_in

    @property
    def answers_without_model(self) -> bool:
        """Whether transactions get the decision that was declared for want of a model."""
        return self._active is None and self._roles.when_unavailable is not None

    def check(self, request: ScoreRequest, model: LoadedModel) -> None:
        """Raise the Problem of a transaction that this model cannot score as it was sent."""
        features(request, model)

    def _assigned(self, roles: Roles) -> None:
        """Others answer from now on."""
        self._roles = roles
        self._metrics.serving(roles)
        parts = {
            role: _Scorer(
                model,
                role,
                self._metrics.tally(model.version, model.revision, role),
                roles.fallback and model is roles.active,
            )
            for role, model in roles.named().items()
        }
        self._active = parts.get("last-known-good" if roles.fallback else "active")
        candidate = parts.get("shadow") or parts.get("candidate")
        self._trial = None
        if candidate is not None and (roles.share is not None or roles.shadow):
            self._trial = _Trial(candidate, roles.share)

    def _answer(
        self,
        scorer: _Scorer | None,
        context: Context,
        request: ScoreRequest,
        prediction_id: str = "",
    ) -> ScoreAnswer:
        """The answer by that model."""
        began = time.monotonic()
        if began > context.deadline:
            raise Problem(OVERLOADED, "The deadline passed while waiting", headers=RETRY_AFTER)
        if scorer is None:
            return self._decided_without_model(context, request)
        if scorer.stands_in:
            context.degraded.append(MODEL)

        model = scorer.model
        row = features(request, model)
        ready = time.monotonic()
        try:
            probability = score(model, row)
            decision = decide(probability, review=model.review, decline=model.decline)
            why = reasons(model, row) if decision != "approve" else ()
        except Exception as error:
            scorer.tally.failed(invalid=isinstance(error, NoProbability))
            raise
        scored = time.monotonic()

        answer = ScoreAnswer(
            prediction_id=prediction_id or new_id(),
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
        scorer.tally.decided(decision, probability, scored - ready)
        if context.degraded:
            self._metrics.degraded(context.degraded)
        record(context, request, answer, scorer.role)
        return answer

    def _answer_on_trial(
        self, trial: _Trial, context: Context, request: ScoreRequest
    ) -> ScoreAnswer:
        """The answer while there is a candidate, or a shadow."""
        if trial.share is None:
            answer = self._answer(self._active, context, request)
            if self._shadow is not None:
                self._shadow.copy(context, request, answer.prediction_id)
            return answer
        if not trial.share.has(request.transaction_id):
            return self._answer(self._active, context, request)
        try:
            return self._answer(trial.candidate, context, request)
        except Exception as error:
            answer = self._answer(self._active, context, request)
            _count_misfit(trial.candidate, error)
            return answer

    def _decided_without_model(self, context: Context, request: ScoreRequest) -> ScoreAnswer:
        """The decision that was declared for when there is no model."""
        decision = self._roles.when_unavailable
        if decision is None:
            raise _no_model()
        context.degraded.append(MODEL)
        answer = ScoreAnswer(
            prediction_id=new_id(),
            score=None,
            decision=decision,
            reasons=(),
            model=None,
            feature_age_ms=None,
            degraded=tuple(context.degraded),
            timing_ms=Timing(
                features=0.0,
                model=0.0,
                total=_milliseconds(time.monotonic() - context.received),
            ),
        )
        self._unavailable.decided_unseen(decision)
        self._metrics.degraded(context.degraded)
        record(context, request, answer, _UNAVAILABLE)
        return answer

    def _shadowed(self, context: Context, request: ScoreRequest, prediction_id: str) -> None:
        """Score a copy of what was answered, if there still is a shadow."""
        if self._trial is None or self._trial.share is not None:
            return
        candidate = self._trial.candidate
        copied = replace(context, deadline=math.inf, degraded=[])
        try:
            self._answer(candidate, copied, request, prediction_id)
        except Exception as error:
            _count_misfit(candidate, error)


def _count_misfit(candidate: _Scorer, error: Exception) -> None:
    """Count a transaction that others have scored, and that did not fit the candidate's manifest:
    that is no fault of the caller's. What it could not score is counted already."""
    if isinstance(error, Problem) and not isinstance(error, Unscorable):
        candidate.tally.failed(invalid=False)


def _no_model() -> Problem:
    return Problem(NOT_READY, "No model is ready to answer", headers=RETRY_AFTER)


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1e6) / 1000  # round() takes several times as long
