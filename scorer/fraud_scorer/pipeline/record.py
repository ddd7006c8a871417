"""Stage six: what is remembered of an answer, before it is sent.

With a spool every answer is an entry of this process's chain: what was said and by which model, and
beside it what is personal. What a shadow found is an entry of its own, with the id of the
prediction that was answered, so that labels can judge it later. Where the spool takes nothing more
the declared policy holds: no answer, or one that says what it lacks.

Whoever asks for it (`--log-level debug`) has a line in the log as well. It holds ids, score and
decision, and neither features nor entities: a log is no place for personal data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.decisions.decide import Decided
from fraud_scorer.ledger.entries import Answered, Personal, Prediction, Role, Shadowed
from fraud_scorer.ledger.spool import SpoolFull
from fraud_scorer.ledger.writer import Receipt
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.problem import NOT_RECORDED, RETRY_AFTER, Problem

WITHOUT_RECORDS = "records"
"""The answer is not in the records: the spool takes no more, and the policy is to answer."""
WITHOUT_CLAIM = "idempotency"
"""Nobody knows whether the transaction was answered before."""

_ROLES: dict[str, Role] = {"candidate": "candidate", "shadow": "shadow"}
"""Whoever answers else does so in the place of the active model."""

_log = logging.getLogger("fraud_scorer.predictions")


class NotRecorded(Problem):
    """An answer that is not given, as it could not be recorded."""

    def __init__(self, why: str) -> None:
        super().__init__(NOT_RECORDED, why, headers=RETRY_AFTER)


class Recorder(Protocol):
    """What appends entries to the records."""

    @property
    def blocked(self) -> str:
        """Why it takes none at present; empty where it does."""
        ...

    def record(self, entry: Answered | Shadowed, personal: Personal | None = None) -> Receipt:
        """Append one, with what is personal of it. Raises SpoolFull."""
        ...


class Records:
    """The records of this process: its chain, or what stands in for one."""

    def __init__(self, writer: Recorder, metrics: Metrics, *, blocks: bool, waits: bool) -> None:
        """`blocks`: what cannot be recorded is not answered. `waits`: an answer waits for the
        disk."""
        self.blocks = blocks
        self.waits = waits
        self._writer = writer
        self._record = writer.record
        self._metrics = metrics

    @property
    def blocked(self) -> str:
        """Why no answer can be given at present; empty where one can."""
        return self._writer.blocked

    def answered(
        self,
        context: Context,
        request: ScoreRequest,
        kept: Mapping[str, Value] | None,
        answer: ScoreAnswer,
        role: str,
        decided: Decided,
    ) -> ScoreAnswer:
        """Record an answer that is about to be sent; what there is to be waited for is in the
        context then. Gives the answer, which says where it could not be. Raises NotRecorded."""
        entry = Answered(
            at=datetime.now(UTC),
            prediction_id=answer.prediction_id,
            transaction_id=request.transaction_id,
            predictions=(_prediction(answer, role, decided),),
            principal=context.principal,
            route=context.route,
            traceparent=context.traceparent,
        )
        if degraded := answer.degraded:
            entry.degraded, entry.duplicate = degraded, WITHOUT_CLAIM in degraded
        if decided.would:
            entry.would, entry.propensity = decided.would, decided.propensity
        features = request.features if kept is None else {**request.features, **kept}
        personal = Personal(
            request.event_time, request.entities, request.amount_minor, request.currency, features
        )
        try:
            receipt = self._record(entry, personal)
        except SpoolFull as full:
            raise NotRecorded(str(full)) from None
        if receipt.missed:
            return self.missed(answer)
        context.recorded = receipt.wait
        self._metrics.recorded()
        return answer

    def missed(self, answer: ScoreAnswer) -> ScoreAnswer:
        """The answer, which says that it is not in the records."""
        self._metrics.missed()
        self._metrics.degraded((WITHOUT_RECORDS,))
        return msgspec.structs.replace(answer, degraded=(*answer.degraded, WITHOUT_RECORDS))

    def shadowed(self, request: ScoreRequest, answer: ScoreAnswer, decided: Decided) -> None:
        """Record what a shadow found. Where there is no room it is not."""
        entry = Shadowed(
            at=datetime.now(UTC),
            prediction_id=answer.prediction_id,
            transaction_id=request.transaction_id,
            predictions=(_prediction(answer, "shadow", decided),),
        )
        try:
            missed = self._record(entry).missed
        except SpoolFull:
            missed = True
        if missed:
            self._metrics.missed()
        else:
            self._metrics.recorded()


def log(context: Context, request: ScoreRequest, answer: ScoreAnswer, role: str) -> None:
    """A line about an answer, for whoever asked for it."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "scored",
            extra={
                "prediction_id": answer.prediction_id,
                "transaction_id": request.transaction_id,
                "score": answer.score,
                "decision": answer.decision,
                "version": answer.model.version if answer.model else "",
                "role": role,
                "principal": context.principal,
                "traceparent": context.traceparent,
                "degraded": answer.degraded,
                "total_ms": answer.timing_ms.total,
            },
        )


def _prediction(answer: ScoreAnswer, role: str, decided: Decided) -> Prediction:
    rule = decided.rule
    part = _ROLES.get(role, "active")
    # Reasons of an answer and of an entry have the same fields, and are written the same.
    reasons: Any = answer.reasons
    model = answer.model
    if model is None:
        return Prediction(part, answer.score, answer.decision, reasons=reasons, rule=rule)
    return Prediction(
        part, answer.score, answer.decision, model.name, model.version, model.digest, reasons, rule
    )
