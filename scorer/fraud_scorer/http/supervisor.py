"""The parent of the serving processes: it holds the management port and answers no transaction.

    start all -> all ready -> SIGTERM -> not ready, all drain -> stopped
    all ended -> what ships records ends, too
    one dies  -> not ready -> replaced, after a pause that grows -> ready

The service is ready when all of its processes are. A process whose event loop stands still is
killed, which is a death like any other. What a process refuses as an artifact, or a process that
ends before the service was ever ready, ends the whole: whoever started it must know. In a pod that
follows a plan nothing that is wrong with a model ends anything; see `fraud_scorer.following`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial

from fraud_scorer.counters import Slot
from fraud_scorer.following.follower import Follower
from fraud_scorer.following.orders import Following, Orders
from fraud_scorer.following.pod import Pod
from fraud_scorer.following.token import Token
from fraud_scorer.http import spooling
from fraud_scorer.http.asgi import Routes
from fraud_scorer.http.children import Child, Pauses
from fraud_scorer.http.control import Hello, NotReady, Ready, Report, Said, reports
from fraud_scorer.http.exposition import Exposition
from fraud_scorer.http.management import management
from fraud_scorer.http.models import model_routes
from fraud_scorer.http.readiness import Readiness
from fraud_scorer.http.server import running
from fraud_scorer.http.shipping import Shipping
from fraud_scorer.http.stopping import Stop
from fraud_scorer.registry.refusal import EXIT_CODE

_HUNG_SECONDS = 30.0
_MARGIN_SECONDS = 3.0
"""What processes get beyond draining and shutting down before they are killed."""

_log = logging.getLogger(__name__)


class Place:
    """One of the serving processes, and whoever takes its place."""

    def __init__(self, index: int, slot: Slot, start: Callable[[int], Child], child: Child) -> None:
        self.index = index
        self.slot = slot
        self.restarts = 0
        self.report: Report = NotReady()
        self._start = start
        self._child: Child | None = child

    @property
    def process_id(self) -> int | None:
        """Of the process that lives, if one does."""
        return self._child.process.pid if self._child else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, where there is one."""
        if self._child is not None:
            self._child.process.send_signal(number)

    def restart(self) -> None:
        """Put a new process into the place of a dead one."""
        self.restarts += 1
        self._child = self._start(self.index)

    async def end(self, changed: Callable[[], None], follower: Follower | None) -> int:
        """Listen to the process until it has ended; its exit code."""
        if (child := self._child) is None:
            return 0

        def heard(said: Said, send: Callable[[Orders], None]) -> None:
            if isinstance(said, NotReady | Ready):
                self.report = said
                changed()
            elif follower is not None and isinstance(said, Hello):
                follower.hello(self.index, send)
            elif follower is not None and isinstance(said, Following):
                follower.heard(self.index, said)

        await reports(child.control, heard)
        code = await asyncio.to_thread(child.process.wait)
        self._child = None
        self.slot.bury()
        self.report = NotReady("ProcessEnded", "a serving process ended, and is replaced")
        if follower is not None:
            follower.gone(self.index, killed=code < 0)
        changed()
        return code


class Supervisor:
    """Keeps serving processes alive until it is told to stop."""

    def __init__(
        self,
        places: Sequence[Place],
        addresses: Mapping[str, str],
        pod: Pod | None = None,
        token: Token | None = None,
        shipping: Shipping | None = None,
    ) -> None:
        """`pod`: what follows a plan, where there is one; `token`: what its management port asks
        for, without which plans are not pushed. `shipping`: the process that ships records, where
        there are any."""
        self._shipping = shipping
        self.readiness = Readiness()
        self._pod = pod
        self._token = token
        self._places = places
        self._addresses = addresses
        self._once_ready = False
        self._exit_code = 0

    async def run(self, bound: socket.socket, *, drain: float, shutdown: float) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        self._stop = stop = Stop((signal.SIGTERM, signal.SIGINT))
        exposition = Exposition(
            [place.slot for place in self._places],
            lambda: self.readiness.ready,
            self._places,
            partial(spooling.shown, self._shipping) if self._shipping is not None else tuple,
        )
        port = management(self.readiness, exposition, self._routes())
        async with running(port, bound, shutdown), self._following():
            _log.info("loading", extra=self._addresses)
            kept = [asyncio.create_task(self._keep(place)) for place in self._places]
            shipping = self._shipping
            ships = asyncio.create_task(shipping.keep()) if shipping is not None else None
            watching = asyncio.create_task(self._watch())
            asked = asyncio.create_task(stop.asked.wait())
            await asyncio.wait({asked, *kept}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            self.readiness.set_not_ready("Terminating", "the process is going away")
            _log.info("draining", extra={"seconds": drain})
            self._signal(signal.SIGTERM)
            insisting = asyncio.create_task(self._insist(drain + shutdown + _MARGIN_SECONDS))
            await asyncio.gather(*kept)
            insisting.cancel()
            watching.cancel()
            if shipping is not None and ships is not None:
                await shipping.stop(ships)
        _log.info("stopped")
        return self._exit_code

    def _routes(self) -> Routes:
        """What the management port has besides, where a plan is followed."""
        if self._pod is None or self._token is None:
            return {}
        return model_routes(self._pod, self._token, lambda: self.readiness.ready)

    @contextlib.asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        """Follow a plan, where there is one to be followed."""
        if self._pod is None:
            yield
            return
        self._pod.changed = self._changed
        async with self._pod.following():
            yield

    async def _keep(self, place: Place) -> None:
        """Replace the process of a place whenever it dies."""
        pauses = Pauses()
        follower = self._pod.follower if self._pod is not None else None
        while True:
            began = time.monotonic()
            code = await place.end(self._changed, follower)
            if self._stop.asked.is_set():
                return
            killed_by_model = follower is not None and code < 0
            if code == EXIT_CODE or not (self._once_ready or killed_by_model):
                self._give_up(code if code > 0 else 1)
                return
            pause = pauses.after(time.monotonic() - began)
            _log.error(
                "a serving process ended and is replaced",
                extra={"place": place.index, "code": code, "pause": pause},
            )
            await self._stop.unless(asyncio.sleep(pause))
            if self._stop.asked.is_set():
                return
            place.restart()

    def _give_up(self, code: int) -> None:
        """End the whole for what one process ended with."""
        self._exit_code = self._exit_code or code
        self._stop.asked.set()

    def _changed(self) -> None:
        """A process is in another state than before."""
        if self._stop.asked.is_set():
            return
        told = [place.report for place in self._places]
        waiting = next((one for one in told if isinstance(one, NotReady)), None)
        if self._pod is not None and (trouble := self._pod.trouble) is not None:
            self.readiness.set_not_ready(*trouble)
        elif waiting is not None:
            self.readiness.set_not_ready(waiting.reason, waiting.message)
        elif not self.readiness.ready and isinstance(first := told[0], Ready):
            self.readiness.set_ready()
            self._once_ready = True
            _log.info(
                "ready",
                extra={
                    "model": first.model,
                    "version": first.version,
                    "digest": first.digest,
                    "revision": first.revision,
                    "processes": len(told),
                    **self._addresses,
                },
            )

    async def _watch(self) -> None:
        """Kill a process whose event loop does not turn any more."""
        while True:
            await asyncio.sleep(_HUNG_SECONDS / 6)
            for place in self._places:
                beat = place.slot.heartbeat
                if beat and time.monotonic() - beat > _HUNG_SECONDS:
                    _log.error("a serving process hangs", extra={"place": place.index})
                    place.signal(signal.SIGKILL)

    async def _insist(self, seconds: float) -> None:
        """Pass on that somebody insists, and end what does not end by itself."""
        try:
            await asyncio.wait_for(self._stop.insisted.wait(), seconds)
        except TimeoutError:
            self._signal(signal.SIGKILL)
        else:
            self._signal(signal.SIGTERM)
            await asyncio.sleep(seconds)
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            place.signal(number)
