"""Stand-ins for scorer pods' management ports: each does what plan and report say of a pod.

One listens on an address of its own, as pods do. What a real pod proves of a model's bytes, a test
says here; everything else (serials, the token, who answers) is worked out as in a pod.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.plan import ModelPlan, PlanError, PlannedModel
from fraud_scorer.artifact.report import Counts, Held, Report


@dataclass
class StandIn:
    """One pod's management port."""

    name: str
    token: str = ""
    """Empty: any is taken."""
    plan: ModelPlan | None = None
    incarnation: int = 1
    ready: bool = True
    refused: dict[str, str] = field(default_factory=dict)
    """What it finds wrong with a version: the reason by version."""
    loading: set[str] = field(default_factory=set)
    """Versions that it never finishes loading."""
    counts: dict[str, Counts] = field(default_factory=dict)
    """By version."""
    hangs: bool = False
    """Whether it takes requests and answers none."""
    refuses_all: int = 0
    """An HTTP status that it answers whatever it is asked; 0: none."""
    asked: list[str] = field(default_factory=list)
    """Method, and for a PUT the plan's serial."""
    answered_by: list[str] = field(default_factory=list)
    """The versions that answered, in the order in which they came to."""

    def restart(self) -> None:
        """The container is started anew, and nothing of before is left in it."""
        self.incarnation += 1
        self.plan = None

    def report(self) -> Report:
        """What it would say."""
        plan = self.plan
        held = tuple(self._held(one) for one in plan.models) if plan else ()
        proven = {one.revision for one in held if one.state == "Proven"}
        active, good = (plan.active, plan.last_known_good) if plan else (None, None)
        answering = next(
            (one for one in (active, good) if one is not None and one.revision in proven), None
        )
        if answering is not None and self.answered_by[-1:] != [answering.version]:
            self.answered_by.append(answering.version)
        return Report(
            pod=self.name,
            incarnation=f"{self.name}-{self.incarnation}",
            serial=plan.serial if plan else 0,
            processes=1,
            ready=self.ready and (answering is not None or active is None),
            answering=answering.revision if answering else "",
            fallback=answering is not None and answering != active,
            held=held,
        )

    def _held(self, one: PlannedModel) -> Held:
        reason = self.refused.get(one.version, "")
        return Held(
            revision=one.revision,
            version=one.version,
            digest=one.digest,
            state="Refused" if reason else "Loading" if one.version in self.loading else "Proven",
            reason=reason,
            file=one.model.path if reason else "",
            message=f"{one.model.path} is not as it should be" if reason else "",
            counts=self.counts.get(one.version),
        )

    async def handle(self, request: web.Request) -> web.Response:
        """PUT a plan, GET the report."""
        body = await request.read()
        plan: ModelPlan | None = None
        if request.method == "PUT":
            try:
                plan = model_plans.decode(body)
            except PlanError as error:
                return _problem(422, str(error))
        self.asked.append(f"PUT {plan.serial}" if plan else "GET")
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses_all:
            return _problem(self.refuses_all, "as the test wants it")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _problem(401, "not the management token")
        if plan is not None:
            if self.plan is not None and _contradicts(self.plan, plan):
                return _problem(409, f"plan {self.plan.serial} is followed")
            self.plan = plan
        return web.Response(
            body=msgspec.json.encode(self.report()), content_type="application/json"
        )


def _contradicts(followed: ModelPlan, plan: ModelPlan) -> bool:
    same = plan.serial == followed.serial and plan.checksum != followed.checksum
    return plan.serial < followed.serial or same


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"status": status, "detail": detail}, status=status)


class Listening:
    """Management ports of stand-ins, in the running event loop."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._runners: dict[str, web.AppRunner] = {}

    async def listen(self, address: str, pod: StandIn) -> None:
        """Serve the stand-in at an address of this machine (127.x.y.z)."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("PUT", reports.PATH, pod.handle)
        app.router.add_route("GET", reports.PATH, pod.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, self.port, reuse_address=True).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        self._runners[address] = runner

    async def hang_up(self, address: str) -> None:
        """Connections to the address are refused from now on."""
        await self._runners.pop(address).cleanup()

    async def close(self) -> None:
        """Stop all of them, at once."""
        await asyncio.gather(*map(self.hang_up, list(self._runners)))


class Park:
    """Management ports of stand-ins in a thread of their own, for tests that are not async."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listening: Listening) -> None:
        self._loop, self._listening = loop, listening

    def listen(self, address: str, pod: StandIn) -> None:
        """As `Listening.listen`."""
        self._run(self._listening.listen(address, pod))

    def hang_up(self, address: str) -> None:
        """As `Listening.hang_up`."""
        self._run(self._listening.hang_up(address))

    def _run(self, doing: Any) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(10)


@contextmanager
def park(port: int) -> Iterator[Park]:
    """While the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = Listening(port)
    try:
        yield Park(loop, listening)
    finally:
        asyncio.run_coroutine_threadsafe(listening.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
