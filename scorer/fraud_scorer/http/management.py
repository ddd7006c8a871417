"""The management port: liveness, readiness, metrics. Not for callers of the API.

Live means that the event loop turns; a service that waits for its model store is alive. Ready means
that every serving process has what it needs to answer, and that the service is not going away.
"""

from __future__ import annotations

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from fraud_scorer.http.asgi import Application, Request, Response, Routes, json_response
from fraud_scorer.http.exposition import Exposition
from fraud_scorer.http.readiness import Readiness


def management(
    readiness: Readiness, exposition: Exposition, models: Routes | None = None
) -> Application:
    """The management port as an ASGI application. `models`: routes about these, where there are
    any."""

    async def live(_: Request) -> Response:
        return json_response({"status": "live"})

    async def ready(_: Request) -> Response:
        return json_response(readiness, 200 if readiness.ready else 503)

    async def show(_: Request) -> Response:
        return Response(exposition.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return Application(
        {
            "/health/live": {"GET": live},
            "/health/ready": {"GET": ready},
            "/metrics": {"GET": show},
            **(models or {}),
        }
    )
