"""The protocol's paths.

One model answers; where a path names another, or another version, there is nothing. Errors are
problem documents with the `error` that the protocol asks for. They are sent as application/json
unless the client accepts application/problem+json by name, as KServe's client reads no other type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata as distribution

import msgspec

from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.http.asgi import JSON, Handler, Methods, Request, Response, json_response
from fraud_scorer.http.body import read_body
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.oip import binary, outputs
from fraud_scorer.http.oip.messages import (
    InferProblem,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    TensorMetadata,
    read,
)
from fraud_scorer.http.oip.tensors import Column, columns
from fraud_scorer.http.oip.transactions import relocated, transactions
from fraud_scorer.http.turns import Turns
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.problem import (
    INVALID,
    MEDIA_TYPE,
    NOT_FOUND,
    TOO_MANY_ITEMS,
    Problem,
    field_error,
)
from fraud_scorer.registry.inputs import sent
from fraud_scorer.registry.loaded import LoadedModel

SERVER = "fraudops"
MEDIA_TYPES = (JSON, binary.MEDIA_TYPE, "")
"""KServe's client does not say what its JSON is."""


def routes(pipeline: Pipeline, turns: Turns, limits: Limits) -> dict[str, Methods]:
    """The handlers by path."""

    async def server(_: Request) -> Response:
        about = ServerMetadata(
            name=SERVER, version=distribution.version("fraudops"), extensions=[binary.EXTENSION]
        )
        return json_response(about)

    async def live(_: Request) -> Response:
        return json_response(Live(live=True))

    async def ready(_: Request) -> Response:
        pipeline.active_model()
        return json_response(Ready(ready=True))

    async def metadata(request: Request) -> Response:
        return json_response(_described(_asked_for(pipeline, request)))

    async def model_ready(request: Request) -> Response:
        model = _asked_for(pipeline, request)
        return json_response(ModelReady(name=model.name, ready=True))

    async def infer(request: Request) -> Response:
        model = _asked_for(pipeline, request)
        pipeline.admit(request.headers)
        body = await read_body(
            request, media=MEDIA_TYPES, limit=limits.batch_bytes, seconds=limits.body_seconds
        )
        message, following = binary.split(body, request.headers.get(binary.LENGTH_HEADER))
        asked = read(message)
        if asked.model_name not in (None, model.name):
            raise _invalid("model_name", f"is not the path's, which is {model.name}")
        outputs.check(asked)
        found = columns(asked, binary.assign(asked, following), model.manifest)
        rows = asked.inputs[0].shape[0]
        if rows > limits.batch_items:
            raise Problem(TOO_MANY_ITEMS, f"At most {limits.batch_items} rows, not {rows}")

        # All are checked before one is scored: the answer has no place for a row's own problem.
        wanted = transactions(asked, found, datetime.now(UTC))
        checked = [one async for part in turns.slices(check(model, wanted, found)) for one in part]
        undated = "event_time" not in (asked.parameters or {})
        scored = turns.slices(score(request, checked, found, undated=undated))
        answers = [await given(*one, found) async for part in scored for one in part]
        return outputs.response(asked, model, answers)

    def check(
        model: LoadedModel, wanted: Iterator[ScoreRequest], found: Mapping[str, Column]
    ) -> Iterator[ScoreRequest]:
        for row, transaction in enumerate(wanted):
            try:
                pipeline.check(transaction, model)
            except Problem as problem:
                raise relocated(problem, row, found) from None
            yield transaction

    def score(
        request: Request, checked: list[ScoreRequest], found: Mapping[str, Column], *, undated: bool
    ) -> Iterator[tuple[int, ScoreAnswer | Pending[bytes]]]:
        version = request.parameters.get("version", "")
        for row, transaction in enumerate(checked):
            try:
                context = pipeline.admit(request.headers, "infer")
                context.undated = undated
                yield row, pipeline.answer_parsed(context, transaction, version=version)
            except Problem as problem:
                raise relocated(problem, row, found) from None

    async def given(
        row: int, answer: ScoreAnswer | Pending[bytes], found: Mapping[str, Column]
    ) -> ScoreAnswer:
        if isinstance(answer, ScoreAnswer):
            return answer
        try:
            return pipeline.read(await answer.wait())
        except Problem as problem:
            raise relocated(problem, row, found) from None

    one, versioned = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    paths: dict[str, Methods] = {
        "/v2": {"GET": server},
        "/v2/health/live": {"GET": live},
        "/v2/health/ready": {"GET": ready},
    }
    for model_path in (one, versioned):
        paths[model_path] = {"GET": metadata}
        paths[f"{model_path}/ready"] = {"GET": model_ready}
        paths[f"{model_path}/infer"] = {"POST": infer}
    return paths


def in_the_protocol(handler: Handler) -> Handler:
    """The handler, with problems as the protocol's clients read them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Problem as problem:
            fields = msgspec.structs.asdict(problem.document)
            document = InferProblem(**fields, error=problem.document.detail)
            asked_for = MEDIA_TYPE.encode() in request.headers.get(b"accept", b"")
            return Response(
                msgspec.json.encode(document),
                problem.status,
                MEDIA_TYPE if asked_for else JSON,
                problem.headers,
            )

    return answer


def _asked_for(pipeline: Pipeline, request: Request) -> LoadedModel:
    """The model that the path names. Raises Problem where that is not the one that answers."""
    model = pipeline.active_model()
    name, wanted = request.parameters["name"], request.parameters.get("version", model.version)
    if (name, wanted) != (model.name, model.version):
        raise Problem(NOT_FOUND, f"What answers is model {model.name}, version {model.version}")
    return model


def _described(model: LoadedModel) -> ModelMetadata:
    return ModelMetadata(
        name=model.name,
        versions=[model.version],
        platform=f"{SERVER}_{model.manifest.engine.format}",
        inputs=[_tensor(feature.name, _datatype(feature)) for feature in sent(model.manifest)],
        outputs=[_tensor(name, one.datatype) for name, one in outputs.OUTPUTS.items()],
    )


def _datatype(feature: Feature) -> str:
    return "FP64" if feature.type == "number" else "BYTES"


def _tensor(name: str, datatype: str) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=[-1])


def _invalid(field: str, detail: str) -> Problem:
    error = field_error([field], detail)
    return Problem(INVALID, f"{error.pointer} {error.detail}", [error])
