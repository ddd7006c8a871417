"""The stages in their order, and which model takes part in them.

The active model answers, the candidate what falls into its share. Where the candidate cannot, the
active one does: a trial costs nobody an answer. Each transaction asks who answers at its own turn,
so that a withdrawal holds from the next one on, also in the middle of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import msgspec
from msgspec.structs import replace

from fraud_scorer.decisions.decide import UNAVAILABLE, by_thresholds, decide_unavailable
from fraud_scorer.features.online import WITH_DEFAULTS
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline import record
from fraud_scorer.pipeline.admit import admit
from fraud_scorer.pipeline.asking import Asking
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest, Timing
from fraud_scorer.pipeline.features import Known, features
from fraud_scorer.pipeline.horizon import Horizon
from fraud_scorer.pipeline.ids import new_id
from fraud_scorer.pipeline.parse import Fitting, fitting, parse
from fraud_scorer.pipeline.parts import Parts, Scorer, Trial, parts
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.pipeline.record import NotRecorded
from fraud_scorer.pipeline.score import NoProbability, Unscorable, reasons, score
from fraud_scorer.pipeline.shadow import Shadow
from fraud_scorer.pipeline.stages import PLAIN, Stages
from fraud_scorer.problem import NOT_FOUND, NOT_READY, OVERLOADED, RETRY_AFTER, Problem
from fraud_scorer.registry.inputs import Row
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry, Roles

MODEL = "model"
"""What an answer had to do without where another model stood in, or none was there."""

_NOTHING: Known = {}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ScoreAnswer).decode


class Pipeline:
    """From headers and body to an answer. Every way into the service goes through it.

    An answer takes microseconds, and is given at once where nothing is to be waited for; where a
    store is asked it is pending. Used from the event loop's thread only.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        metrics: Metrics,
        *,
        patience: float,
        later: Callable[[Callable[[], None]], Any] | None = None,
        stages: Stages = PLAIN,
    ) -> None:
        """`patience`: seconds after which an answer is worth nothing to its caller. `later` calls
        when the event loop has turned; without it there is no shadow."""
        self._metrics = metrics
        self._patience = patience
        self._stages = stages
        self._records = stages.records
        self._active: Scorer | None = None
        self._trial: Trial | None = None
        self._parts = Parts()
        self._horizon = Horizon()
        self._needs_kept = False
        self._waits = False
        """Whether answers are pending at first."""
        self._fitting: Fitting | None = None
        """Reads what goes to the active model, where nobody else asks for the features."""
        self._unavailable = metrics.tally("", "", UNAVAILABLE)
        self._shadow = Shadow(self._shadowed, metrics.shadow_dropped, later) if later else None
        registry.watch(self._assigned)

    def admit(self, headers: Mapping[bytes, bytes], route: str = "score") -> Context:
        """Let a request in, before its body is read. Raises Problem."""
        return admit(headers, monotonic(), self._patience, route)

    def arrived(self, context: Context) -> None:
        """Its body took a while, and is all there now: patience counts from here."""
        context.deadline = monotonic() + self._patience

    def answer(self, context: Context, body: bytes) -> bytes | Pending[bytes]:
        """The answer to one transaction, as JSON. Raises Problem."""
        if self._fitting is not None and (fitted := self._fitting(body)) is not None:
            request, row = fitted
            self._horizon.check(request.event_time)
            return _encode(self._answer(self._active, context, request, _NOTHING, row=row))
        request = parse(body)
        self._horizon.check(request.event_time)
        if self._waits:
            asking = self._ask(context, request)
            return asking.now() if asking.resolved else asking
        if self._trial is None:
            return _encode(self._answer(self._active, context, request, _NOTHING))
        return _encode(self._answer_on_trial(self._trial, context, request, _NOTHING))

    def answer_parsed(
        self, context: Context, request: ScoreRequest, *, version: str = ""
    ) -> ScoreAnswer | Pending[bytes]:
        """The answer to a transaction that came in another form; one that is pending will be JSON,
        which `read` reads. Raises Problem.

        Whoever asks for a version gets that one or none, and takes part in no trial.
        """
        self._horizon.check(request.event_time)
        if self._waits:
            return self._ask(context, request, version)
        return self._scored(context, request, _NOTHING, version)

    @staticmethod
    def read(document: bytes) -> ScoreAnswer:
        """An answer that was given as JSON."""
        return _decode(document)

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
        return self._active is None and self._parts.when_unavailable is not None

    def check(self, request: ScoreRequest, model: LoadedModel) -> None:
        """Raise the Problem of a transaction that this model cannot score as it was sent."""
        model.inputs.check(request.features)

    def _assigned(self, roles: Roles) -> None:
        """Others answer from now on."""
        self._metrics.serving(roles)
        self._parts = parts(roles, self._metrics)
        self._active, self._trial = self._parts.active, self._parts.trial
        kept = self._stages.kept
        self._needs_kept = kept is not None and kept.follow(roles.named().values())
        self._waits = (
            self._needs_kept
            or self._stages.claims is not None
            or (self._records is not None and self._records.waits)
        )
        model = self._active.model if self._active is not None else None
        others = self._waits or self._records is not None or self._trial is not None
        alone = model is not None and model.layout is None and not others
        self._fitting = fitting(model.inputs.sent) if model is not None and alone else None

    def _ask(self, context: Context, request: ScoreRequest, version: str = "") -> Asking:
        """Begin an answer that waits for something."""
        asking = Asking(self._stages, self._scored, context, request, version)
        asking.begin(needs_kept=self._needs_kept and self._fits(context, request))
        return asking

    def _fits(self, context: Context, request: ScoreRequest) -> bool:
        """Whether it can be answered at all: what is refused must not count in any history, nor
        give its features to whoever sends it anew, put right."""
        if self._active is None:
            return self._parts.when_unavailable is not None
        if self._takes(self._active, context, request):
            return True
        trial = self._trial
        if trial is None or trial.share is None:
            return False
        return self._takes(trial.candidate, context, request)

    def _takes(self, scorer: Scorer, context: Context, request: ScoreRequest) -> bool:
        """Whether its model takes the features as they were sent, which is remembered."""
        try:
            scorer.model.inputs.check(request.features)
        except Problem:
            return False
        context.fits = scorer.model
        return True

    def _scored(
        self, context: Context, request: ScoreRequest, known: Known, version: str
    ) -> ScoreAnswer:
        """The answer, once all is known that it needs."""
        if version:
            if self.active_model().version != version:
                raise Problem(NOT_FOUND, f"Version {version} does not answer any more")
        elif self._trial is not None:
            return self._answer_on_trial(self._trial, context, request, known)
        return self._answer(self._active, context, request, known)

    def _answer(
        self,
        scorer: Scorer | None,
        context: Context,
        request: ScoreRequest,
        known: Known,
        prediction_id: str = "",
        row: Row | None = None,
    ) -> ScoreAnswer:
        """The answer by that model. `row`: of the request's features, where it is made already."""
        began = monotonic()
        if began > context.deadline:
            raise Problem(OVERLOADED, "The deadline passed while waiting", headers=RETRY_AFTER)
        if scorer is None:
            return self._decided_without_model(context, request)
        if scorer.stands_in:
            context.degraded.append(MODEL)

        model, rules = scorer.model, self._stages.rules
        kept = None
        if model.layout is not None:
            kept = known.get(model.layout_key)
            context.degraded += (WITH_DEFAULTS,) if kept is None else kept.degraded
        if row is None:
            row = features(request, model, kept, fits=context.fits is model)
        ready = monotonic()
        try:
            probability = score(model, row)
            if rules is None:
                decided = by_thresholds(probability, model.review, model.decline)
            else:
                decided = rules.decide(probability, model, request)
                context.degraded += rules.lacking
            why = reasons(model, row) if decided.decision != "approve" else ()
        except Exception as error:
            scorer.tally.failed(invalid=isinstance(error, NoProbability))
            raise
        scored = monotonic()

        answer = ScoreAnswer(
            prediction_id=prediction_id or new_id(),
            score=probability,
            decision=decided.decision,
            decided_by=decided.by,
            reasons=why,
            model=model.named,
            feature_age_ms=None if kept is None else kept.age_ms,
            degraded=tuple(context.degraded),
            timing_ms=Timing(
                features=_milliseconds(ready - (context.asked or began)),
                model=_milliseconds(scored - ready),
                total=_milliseconds(scored - context.received),
            ),
        )
        if (records := self._records) is not None:
            if scorer.role == "shadow":
                records.shadowed(request, answer, decided)
            else:
                values = None if kept is None else kept.values
                answer = records.answered(context, request, values, answer, scorer.role, decided)
        scorer.tally.decided(decided.decision, probability, scored - ready)
        if context.degraded:
            self._metrics.degraded(context.degraded)
        record.log(context, request, answer, scorer.role)
        return answer

    def _answer_on_trial(
        self, trial: Trial, context: Context, request: ScoreRequest, known: Known
    ) -> ScoreAnswer:
        """The answer while there is a candidate, or a shadow."""
        if trial.share is None:
            answer = self._answer(self._active, context, request, known)
            if self._shadow is not None:
                self._shadow.copy(context, request, known, answer.prediction_id)
            return answer
        if not trial.share.has(request.transaction_id):
            return self._answer(self._active, context, request, known)
        before = tuple(context.degraded)
        try:
            return self._answer(trial.candidate, context, request, known)
        except NotRecorded:
            raise
        except Exception as error:
            context.degraded[:] = before
            answer = self._answer(self._active, context, request, known)
            _count_misfit(trial.candidate, error)
            return answer

    def _decided_without_model(self, context: Context, request: ScoreRequest) -> ScoreAnswer:
        """The decision that was declared for when there is no model."""
        declared, rules = self._parts.when_unavailable, self._stages.rules
        if declared is None:
            raise _no_model()
        if rules is None:
            decided = decide_unavailable(declared)
        else:
            decided = rules.decide_unavailable(declared, request)
            context.degraded += rules.lacking
        context.degraded.append(MODEL)
        answer = ScoreAnswer(
            prediction_id=new_id(),
            score=None,
            decision=decided.decision,
            decided_by=decided.by,
            reasons=(),
            model=None,
            feature_age_ms=None,
            degraded=tuple(context.degraded),
            timing_ms=Timing(
                features=0.0,
                model=0.0,
                total=_milliseconds(monotonic() - context.received),
            ),
        )
        if self._records is not None:
            answer = self._records.answered(context, request, None, answer, UNAVAILABLE, decided)
        self._unavailable.decided_unseen(decided.decision)
        self._metrics.degraded(context.degraded)
        record.log(context, request, answer, UNAVAILABLE)
        return answer

    def _shadowed(
        self, context: Context, request: ScoreRequest, known: Known, prediction_id: str
    ) -> None:
        """Score a copy of what was answered, if there still is a shadow."""
        if self._trial is None or self._trial.share is not None:
            return
        candidate = self._trial.candidate
        copied = replace(context, deadline=math.inf, degraded=[])
        try:
            self._answer(candidate, copied, request, known, prediction_id)
        except Exception as error:
            _count_misfit(candidate, error)


def _count_misfit(candidate: Scorer, error: Exception) -> None:
    """Count a transaction that others have scored, and that did not fit the candidate's manifest:
    that is no fault of the caller's. What it could not score is counted already."""
    if isinstance(error, Problem) and not isinstance(error, Unscorable):
        candidate.tally.failed(invalid=False)


def _no_model() -> Problem:
    return Problem(NOT_READY, "No model is ready to answer", headers=RETRY_AFTER)


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1e6) / 1000  # round() takes several times as long
