"""The management ports of all pods of kwok, which have none: `python -m bench.fleet.ports`.

kwok's pods are all at this machine's own address, so one listener is at all of them. Who is meant
tells the token, of which each detector has one and so has its one pod: each is a stand-in of its
own, which follows what it is told. Whoever is not on this machine is turned away.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from fraud_operator.plan.pod_template import MANAGEMENT_PORT
from fraud_scorer.artifact import report as reports
from tests.support.scorers import StandIn


def application() -> web.Application:
    """Answers for every pod, told apart by the address that is asked."""
    pods: dict[str, StandIn] = {}

    async def answer(request: web.Request) -> web.Response:
        transport: Any = request.transport
        here, there = (transport.get_extra_info(name)[0] for name in ("sockname", "peername"))
        if there != here:
            return web.Response(status=403)
        token = request.headers.get("Authorization", "")
        pod = pods.setdefault(token, StandIn(f"pod-{len(pods)}"))
        pod.asked.clear()
        return await pod.handle(request)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text=f"{len(pods)} pods\n")

    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("PUT", reports.PATH, answer)
    app.router.add_route("GET", reports.PATH, answer)
    app.router.add_get("/health", healthy)
    return app


async def main() -> None:
    """Until killed."""
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", MANAGEMENT_PORT).start()  # noqa: S104 - see above
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
