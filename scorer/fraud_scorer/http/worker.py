"""A serving process, from its model to its last answer.

    begin a chain, find the stores -> load and prove -> listen, ready
    SIGTERM        -> (drain) still answering -> close
    again          -> no more draining

It listens only once its model is proven: the one that it was given, or those that its parent's
orders name. While draining, requests are answered as before, but each
answer ends its connection, so that clients connect to another pod. When the parent is gone, it goes
too, as soon as what is under way is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable

from fraud_scorer.counters import Slot
from fraud_scorer.following.holder import Holder, Prepare
from fraud_scorer.http.api import api, hot_route
from fraud_scorer.http.beside import Waiting, beside
from fraud_scorer.http.control import NotReady, Ready, Reporting
from fraud_scorer.http.lag import Lag
from fraud_scorer.http.server import running
from fraud_scorer.http.settings import Settings
from fraud_scorer.http.sockets import bind
from fraud_scorer.http.stopping import Stop
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.pipeline import Pipeline
from fraud_scorer.pipeline.record import Records
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.registry import ModelRegistry

_HEARTBEAT_SECONDS = 1.0
_ROOM_SECONDS = 0.5

_log = logging.getLogger(__name__)

Load = Callable[[Waiting], Awaitable[LoadedModel]]
"""Gives the model; tells reason and message of whatever it waits for."""


async def work(settings: Settings, load: Load | None, control: socket.socket, slot: Slot) -> None:
    """Serve until SIGTERM: what `load` gives, or without it what the parent orders.

    Raises whatever `load` raises, and OSError on a taken port.
    """
    stop = Stop((signal.SIGTERM,))
    parent = Reporting(control, stop.insist)
    beating = asyncio.create_task(_beat(slot))
    metrics, registry = Metrics(slot), ModelRegistry()
    lag = Lag(settings.lag)

    def waiting(reason: str, message: str) -> None:
        parent.tell(NotReady(reason, message))

    async with contextlib.AsyncExitStack() as stack:
        has = await stop.unless(stack.enter_async_context(beside(settings, metrics, waiting)))
        if has is None:
            return
        pipeline = Pipeline(
            registry,
            metrics,
            patience=settings.patience,
            later=asyncio.get_running_loop().call_soon,
            stages=has.stages,
        )
        more = has.routes(pipeline.admit, settings.limits)
        application = api(pipeline, metrics, settings.limits, lag, more)
        hot = hot_route(application, pipeline, metrics, settings.limits, lag)

        if load is None:
            holding = _obey(parent, registry, has.prepare)
        else:
            holding = _hold(load, waiting, registry, has.prepare)
        if await stop.unless(holding) is None:
            return
        listening = stack.enter_context(bind(settings.listen, shared=True))
        stack.enter_context(lag.watching())
        async with running(
            application, listening, settings.shutdown, limits=settings.connections, hot=hot
        ):
            _spare_the_collector()
            parent.tell(_ready(registry.roles.active))
            telling = asyncio.create_task(_tell_of_room(parent, has.stages.records, registry))
            await stop.asked.wait()
            telling.cancel()
            application.closing = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.insisted.wait(), settings.drain)
            _log.info("closing")
    beating.cancel()


async def _hold(load: Load, waiting: Waiting, registry: ModelRegistry, prepare: Prepare) -> bool:
    """Hold the one model that there is."""
    loaded = await load(waiting)
    await prepare(loaded)
    registry.install(loaded)
    registry.activate(loaded.revision)
    return True


async def _obey(parent: Reporting, registry: ModelRegistry, prepare: Prepare) -> bool:
    """Hold what the parent orders, from now on; it is enough to listen once that can answer."""
    holder = Holder(registry, parent.tell, prepare)
    parent.obey(holder.follow)
    return await holder.answering.wait()


def _spare_the_collector() -> None:
    """Look for circles of garbage seldom, and not among what stays: answers leave none, and each
    look holds all of them up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _tell_of_room(
    parent: Reporting, records: Records | None, registry: ModelRegistry
) -> None:
    """Say that requests are to go elsewhere while all of them are refused for a full spool, and
    when they are welcome again."""
    if records is None:
        return
    told = ""
    while True:
        await asyncio.sleep(_ROOM_SECONDS)
        if (blocked := records.blocked) == told:
            continue
        told = blocked
        if blocked:
            _log.warning("no answer can be recorded, so none is given: %s", blocked)
            parent.tell(NotReady("SpoolFull", blocked))
        else:
            _log.info("answers can be recorded again")
            parent.tell(_ready(registry.roles.active))


def _ready(model: LoadedModel | None) -> Ready:
    if model is None:
        return Ready("", "", "", "")
    return Ready(model.name, model.version, model.digest, model.revision)


async def _beat(slot: Slot) -> None:
    """Say that the event loop turns."""
    while True:
        slot.heartbeat = time.monotonic()
        await asyncio.sleep(_HEARTBEAT_SECONDS)
