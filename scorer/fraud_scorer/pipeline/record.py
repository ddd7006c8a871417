"""Stage six: what is remembered of an answer. For now counters, and a line in the log for whoever
asks for it (`--log-level debug`).

The line holds ids, score and decision, and neither features nor entities: a log is no place for
personal data. What a shadow found has a line of its own, with the id of the prediction that was
answered and role=shadow, so that labels can judge it later.
"""

from __future__ import annotations

import logging

from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest

_log = logging.getLogger("fraud_scorer.predictions")


def record(context: Context, request: ScoreRequest, answer: ScoreAnswer, role: str) -> None:
    """Remember an answer that is about to be sent, or a shadow's that is not."""
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
