"""The operator as a process: what is made once, in which order it starts, and how it ends.

    API server and CRD there -> complete lists -> watches -> Lease -> reconcile, until told to stop

A standby holds a warm view and writes nothing. A leader that loses the Lease stops working on
detectors at once and stands by; the process goes on. SIGTERM finishes what is being written, gives
the Lease back, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.apply.applier import Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.controller import Controller
from fraud_operator.kopf_app import EventSource
from fraud_operator.models.clients import warm_up
from fraud_operator.models.fleet import Fleet
from fraud_operator.models.identities import Exchanges, Identities
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.management import Tokens
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.relist import Relist
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.children import NAME_LABEL, VERIFICATION
from fraud_operator.plan.types import OperatorDefaults
from fraud_operator.runtime import health, metrics
from fraud_operator.runtime import logging as logs
from fraud_operator.runtime.connection import ConnectionProblem, connect
from fraud_operator.runtime.events import Recorder
from fraud_operator.runtime.kinds import FRAUD_DETECTOR, JOB, Kind
from fraud_operator.runtime.kube import ApiError, HttpKube, NotFound, WritesForbidden
from fraud_operator.runtime.lease import Lease
from fraud_operator.runtime.queue import WorkQueue, work
from fraud_operator.runtime.settings import Settings

log = logging.getLogger(__name__)

DEFAULT_LEASE_NAMESPACE = "fraudops-system"
_LONGEST_WAIT = 30.0
_FINISH_SECONDS = 1.5
"""For what is being written when we are told to stop: a successor waits for the Lease meanwhile."""


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the process's exit status."""
    logs.configure(settings.log_level, settings.log_format)
    _spare_the_collector()
    try:
        asyncio.run(_run(settings))
    except (ConnectionProblem, health.CannotListen, NoLease) as error:
        log.error("%s", error)
        return 1
    return 0


def _spare_the_collector() -> None:
    """What is imported by now is never garbage, and of what the API server answers next to nothing
    is cyclic: looking for it less often saves a tenth of the CPU while detectors come up."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class NoLease(Exception):
    """The Lease cannot even be tried for; the message says what to do."""


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take_signals() -> None:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)

    take_signals()
    await operate(settings, stop, take_signals)


async def operate(
    settings: Settings, stop: asyncio.Event, take_signals: Callable[[], None]
) -> None:
    """Be an operator until `stop` is set. Raises ConnectionProblem, CannotListen and NoLease."""
    connection = await connect(settings.kubeconfig, settings.context)
    async with connection.session() as session, health.serving(*settings.listen) as port:
        log.info("listening", extra={"port": port, "server": connection.server})
        process = _Process(
            settings=settings,
            kube=HttpKube(session, connection.server),
            lease_namespace=settings.lease_namespace
            or connection.namespace_of_pod
            or DEFAULT_LEASE_NAMESPACE,
        )
        if await _unless(stop, process.prepare()):
            source = EventSource(
                connection,
                settings.namespaces,
                process.seen,
                known=process.known,
                started=take_signals,
            )
            async with _meanwhile(source.run(), process.relist.run()):
                await process.lead_until(stop)
    log.info("stopped")


@contextlib.asynccontextmanager
async def _meanwhile(*doing: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these, which end by being cancelled, while the context lasts."""
    tasks = [asyncio.create_task(one) for one in doing]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class _Process:
    """What lives as long as the process does."""

    settings: Settings
    kube: HttpKube
    lease_namespace: str
    store: ObjectStore = field(default_factory=ObjectStore)
    queue: WorkQueue[Key] = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self.relist = Relist(
            self.kube,
            self.store,
            self.settings.namespaces,
            every=self.settings.relist_seconds,
            changed=self.queue.add,
        )
        metrics.QUEUE_WAITING.set_function(lambda: len(self.queue))
        metrics.QUEUE_ACTIVE.set_function(lambda: self.queue.active)
        metrics.DETECTORS.set_function(lambda: len(self.store.detectors()))

    def known(self, kind: Kind, event: str | None, obj: dict[str, Any]) -> bool:
        """Whether a watch delivers nothing new; what is different of it is taken in all the same.
        That something is gone is always news."""
        return event != "DELETED" and self.store.absorb(kind, obj)

    def seen(self, kind: Kind, event: str | None, obj: dict[str, Any]) -> None:
        """A watch delivered something."""
        news = self.store.remove(kind, obj) if event == "DELETED" else self.store.put(kind, obj)
        for key in news:
            self.queue.add(
                key,
                patient=kind == FRAUD_DETECTOR and event == "ADDED",
                calm=_is_heard_already(kind, event, obj),
            )

    async def prepare(self) -> None:
        """What takes a while and can be done before there is anything to lead: whoever takes the
        Lease is to work at once."""
        async with asyncio.TaskGroup() as both:
            both.create_task(asyncio.to_thread(warm_up))
            both.create_task(self.complete_view())

    async def complete_view(self) -> None:
        """List everything; wait where the API server or the CRD is not there yet."""
        pause = 1.0
        while True:
            try:
                await self.relist.all()
            except NotFound as error:
                log.error(
                    "the CRD %s.%s is not installed (%s): kubectl apply -f crds/",
                    FRAUD_DETECTOR.plural,
                    FRAUD_DETECTOR.group,
                    error,
                )
            except ApiError as error:
                log.error("cannot see the cluster: %s", error)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_WAIT)

    async def lead_until(self, stop: asyncio.Event) -> None:
        """Take the Lease and reconcile while it is ours, again and again."""
        if not self.settings.leader_election:
            await self._reconcile_all(self.kube, stop, lambda: None)
            return
        lease = Lease(
            self.kube, self.lease_namespace, self.settings.lease_name, self.settings.identity
        )
        led_before = False
        while await _unless(stop, self._acquire(lease)):
            kube = self.kube.guarded(lease.check)
            working = asyncio.create_task(
                self._reconcile_all(kube, stop, lease.check, look_first=led_before),
                name="reconcile",
            )
            led_before = True
            keeping = asyncio.create_task(lease.keep(), name="keep the Lease")
            await _either(stop, working, keeping)
            if stop.is_set():
                await asyncio.wait({working}, timeout=_FINISH_SECONDS)
            for task in (working, keeping):
                task.cancel()
            results = await asyncio.gather(working, keeping, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    raise result
        await lease.release()

    async def _acquire(self, lease: Lease) -> None:
        try:
            await lease.acquire()
        except NotFound as error:
            raise NoLease(
                f"there is no namespace {self.lease_namespace} for the Lease ({error.message}):"
                " create it, name another with --lease-namespace, or run alone with"
                " --leader-election=false"
            ) from None

    async def _reconcile_all(
        self,
        kube: HttpKube,
        stop: asyncio.Event,
        may_write: Callable[[], None],
        *,
        look_first: bool = False,
    ) -> None:
        """One term as the leader. Nothing of an earlier term is known here but the view.

        A term was lost mostly because the API server was away, and then the watches have missed
        something and may not be back yet: `look_first` makes the view complete.
        """
        if look_first:
            await self.complete_view()
        executor = ThreadPoolExecutor(self.settings.store_threads, "model-store")
        secrets = Secrets(kube)
        given = self.settings
        exchanges = Exchanges(
            given.sts_endpoint,
            given.google_sts_endpoint,
            given.google_iam_endpoint,
            given.google_provider,
        )
        identities = Identities(kube, secrets, exchanges=exchanges)
        tokens = Tokens(kube)
        stores = ModelStores(identities, executor, self.queue.add)
        fleet = Fleet(self.queue.hurry, met=self.queue.add, may_push=may_write)
        controller = Controller(
            kube=kube,
            store=self.store,
            observer=Observer(self.store, secrets, tokens, fleet),
            stores=stores,
            fleet=fleet,
            applier=Applier(kube, self.store, Contention(), made_secret=tokens.made),
            recorder=Recorder(kube, self.settings.identity),
            defaults=OperatorDefaults(
                self.settings.scorer_image,
                self.settings.image_pull_policy,
                self.settings.redis_image,
                self.settings.postgres_image,
            ),
        )
        for key in self.store.known():
            self.queue.add(key, patient=True)
        try:
            await work(
                self.queue,
                controller.work,
                workers=self.settings.workers,
                on_failure=_say,
                stop=stop,
            )
        finally:
            await fleet.close()
            await stores.close()
            executor.shutdown(wait=False, cancel_futures=True)


def _is_heard_already(kind: Kind, event: str | None, obj: dict[str, Any]) -> bool:
    """Whether that is a Job which is over, and whose pod has said all there is to say."""
    purpose = (obj["metadata"].get("labels") or {}).get(NAME_LABEL)
    return kind == JOB and event == "MODIFIED" and purpose == VERIFICATION


def _say(key: Key, error: Exception, delay: float) -> None:
    if not isinstance(error, WritesForbidden):
        log.info("again in %.1f s", delay, extra={"key": str(key)})


async def _either(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait until `stop` is set or one of the tasks is done."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


async def _unless(stop: asyncio.Event, doing: Coroutine[Any, Any, None]) -> bool:
    """Do it unless `stop` is set before it is done; whether it was done."""
    if stop.is_set():
        doing.close()
        return False
    task = asyncio.create_task(doing)
    try:
        await _either(stop, task)
        if task.done():
            await task
        return task.done() and not stop.is_set()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
