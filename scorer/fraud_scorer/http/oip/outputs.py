"""Answers to tensors: those that were asked for, in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from fraud_scorer.http.asgi import Response
from fraud_scorer.http.oip import binary
from fraud_scorer.http.oip.messages import (
    InferRequest,
    InferResponse,
    OutputTensor,
    RequestedOutput,
)
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.problem import INVALID, Problem, field_error
from fraud_scorer.registry.loaded import LoadedModel

_ALL = "binary_data_output"
_ONE = "binary_data"


class Output(NamedTuple):
    """An output of every model."""

    datatype: str
    of: Callable[[ScoreAnswer], float | str | None]


OUTPUTS = {
    "score": Output("FP64", lambda answer: answer.score),
    "decision": Output("BYTES", lambda answer: answer.decision),
    "prediction_id": Output("BYTES", lambda answer: answer.prediction_id),
    "reasons": Output("BYTES", lambda answer: msgspec.json.encode(answer.reasons).decode()),
    "version": Output("BYTES", lambda answer: answer.model.version if answer.model else ""),
}
"""Reasons are a JSON array in a string, as a tensor has one value a row. `version` is that of the
model which scored the row: a candidate may have, or another may have taken over in between."""


def check(request: InferRequest) -> None:
    """Raise the Problem of an output that cannot be given as it was asked for."""
    for index, wanted in enumerate(request.outputs or ()):
        for name in wanted.parameters or {}:
            if name != _ONE:
                error = field_error(
                    ["outputs", str(index), "parameters", name], f"is not known; {_ONE} is"
                )
                raise Problem(INVALID, f"{error.pointer} {error.detail}", [error])


def response(request: InferRequest, model: LoadedModel, answers: Sequence[ScoreAnswer]) -> Response:
    """The answers in the protocol's form."""
    default = (request.parameters or {}).get(_ALL, False)
    wanted = request.outputs or [RequestedOutput(name=name) for name in OUTPUTS]  # type: ignore[arg-type]
    tensors, parts = [], []
    for one in wanted:
        kind = OUTPUTS[one.name]
        values = [kind.of(answer) for answer in answers]
        tensor = OutputTensor(
            name=one.name, shape=[len(values)], datatype=kind.datatype, data=values
        )
        if (one.parameters or {}).get(_ONE, default) is True:
            parts.append(binary.encoded(values))
            size = {binary.SIZE: len(parts[-1])}
            tensor = msgspec.structs.replace(tensor, data=UNSET, parameters=size)
        tensors.append(tensor)
    body = msgspec.json.encode(
        InferResponse(
            model_name=model.name,
            model_version=model.version,
            id=UNSET if request.id is None else request.id,
            outputs=tensors,
        )
    )
    if not parts:
        return Response(body)
    length = ((binary.LENGTH_HEADER, str(len(body)).encode()),)
    return Response(b"".join([body, *parts]), content_type=binary.MEDIA_TYPE, headers=length)
