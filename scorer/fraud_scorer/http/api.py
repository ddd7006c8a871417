"""What the API port answers."""

from __future__ import annotations

from collections.abc import Callable

from fraud_scorer.http.asgi import (
    Application,
    Handler,
    Request,
    Response,
    Routes,
    json_response,
)
from fraud_scorer.http.batch import batch
from fraud_scorer.http.body import DisconnectedError, read_body
from fraud_scorer.http.health import Health
from fraud_scorer.http.hot import HotRoute
from fraud_scorer.http.lag import Lag
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.oip.routes import in_the_protocol
from fraud_scorer.http.oip.routes import routes as oip
from fraud_scorer.http.openapi import describe
from fraud_scorer.http.page import page
from fraud_scorer.http.turns import Turns
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.problem import OVERLOADED, Problem

SCORE = "/v1/score"


def api(
    pipeline: Pipeline, metrics: Metrics, limits: Limits, lag: Lag, more: Routes | None = None
) -> Application:
    """The API port as an ASGI application. `more`: routes about records, where there are any."""

    turns = Turns()

    async def score(request: Request) -> Response:
        context = pipeline.admit(request.headers)
        body = await read_body(request, limit=limits.body_bytes, seconds=limits.body_seconds)
        lag.check()
        pipeline.arrived(context)
        answer = pipeline.answer(context, body)
        return Response(answer if isinstance(answer, bytes) else await answer.wait())

    async def health(_: Request) -> Response:
        named = None if pipeline.answers_without_model else pipeline.active_model().named
        return json_response(Health(named, "degraded" if pipeline.stands_in else "ok"))

    async def openapi(_: Request) -> Response:
        return json_response(describe(pipeline.active_model().manifest, limits, records=more or ()))

    def guarded(handler: Handler) -> Handler:
        return _guarded(handler, metrics)

    routes: Routes = {
        SCORE: {"POST": score},
        "/v1/score/batch": {"POST": batch(pipeline, metrics, turns, limits)},
        "/health": {"GET": health},
        "/openapi.json": {"GET": openapi},
        "/": {"GET": page},
        **(more or {}),
    }
    protocol = _each(_each(oip(pipeline, turns, limits), guarded), in_the_protocol)
    return Application({**_each(routes, guarded), **protocol}, metrics)


def hot_route(
    application: Application, pipeline: Pipeline, metrics: Metrics, limits: Limits, lag: Lag
) -> HotRoute:
    """What the protocol answers of it without asking the application."""

    return HotRoute(
        SCORE,
        application,
        admit=pipeline.admit,
        arrived=pipeline.arrived,
        answer=pipeline.answer,
        observer=metrics,
        lag=lag,
        body_bytes=limits.body_bytes,
    )


def _each(routes: Routes, wrapped: Callable[[Handler], Handler]) -> Routes:
    return {
        path: {method: wrapped(handler) for method, handler in methods.items()}
        for path, methods in routes.items()
    }


def _guarded(handler: Handler, metrics: Metrics) -> Handler:
    """The handler, with what is the same for all: callers who left, and those who are turned
    away."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except DisconnectedError:
            return Response(status=499)
        except Problem as problem:
            if problem.kind is OVERLOADED:
                metrics.turned_away()
            raise

    return answer
