"""The answer of `/health`: that the service answers, and with which model."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fraud_scorer.pipeline.envelope import AnswerModel


class Health(Struct, frozen=True):
    """The service answers, with that model."""

    model: AnswerModel
    status: Literal["ok"] = "ok"
