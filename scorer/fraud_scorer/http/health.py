"""The answer of `/health`: that the service answers, and with which model."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraud_scorer.pipeline.envelope import AnswerModel


class Health(Struct, frozen=True):
    """The service answers."""

    model: Annotated[
        AnswerModel | None,
        Meta(description="What answers; null where decisions are the declared one, without any."),
    ]
    status: Annotated[
        Literal["ok", "degraded"],
        Meta(description="`degraded`: the model that should answer cannot be had."),
    ]
