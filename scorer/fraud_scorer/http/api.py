"""What the API port answers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from fraud_scorer.http.asgi import Application, Observer, Request, Response, json_response
from fraud_scorer.http.body import DisconnectedError, read_json_body
from fraud_scorer.http.openapi import describe
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.envelope import AnswerModel
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.problem import NOT_READY, OVERLOADED, Problem
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    body_bytes: int = 256 * 1024
    body_seconds: float = 10.0


class Health(msgspec.Struct, frozen=True):
    """The answer of /health."""

    status: str
    model: AnswerModel


class _Counting(Observer):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def began(self) -> None:
        self._metrics.in_flight.inc()

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._metrics.in_flight.dec()
        self._metrics.answered(route, status, seconds)


def api(
    pipeline: Pipeline, registry: ModelRegistry, metrics: Metrics, limits: Limits
) -> Application:
    """The API port as an ASGI application."""

    async def score(request: Request) -> Response:
        context = pipeline.admit(request.headers)
        try:
            body = await read_json_body(
                request, limit=limits.body_bytes, seconds=limits.body_seconds
            )
            return json_response(pipeline.answer(context, body))
        except DisconnectedError:
            return Response(status=499)
        except Problem as problem:
            if problem.kind is OVERLOADED:
                metrics.shed.inc()
            raise

    async def health(_: Request) -> Response:
        model = _active(registry)
        named = AnswerModel(name=model.name, version=model.version, digest=model.digest)
        return json_response(Health(status="ok", model=named))

    async def openapi(_: Request) -> Response:
        return json_response(describe(_active(registry).manifest))

    return Application(
        {
            "/v1/score": {"POST": score},
            "/health": {"GET": health},
            "/openapi.json": {"GET": openapi},
        },
        _Counting(metrics),
    )


def _active(registry: ModelRegistry) -> LoadedModel:
    if registry.active is None:
        raise Problem(NOT_READY, "No model has been loaded yet")
    return registry.active
