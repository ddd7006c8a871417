"""The reconcile loop: one detector at a time, read from top to bottom.

    observe -> plan (pure) -> [status, where it must come first] -> apply -> prune -> status, Events

Nothing is decided here. Each step may fail; what is done stays done, and the next round begins from
what is there, so a crash between any two writes ends in the same place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from fraud_operator.apply.applier import Applied, Applier
from fraud_operator.apply.prune import prune
from fraud_operator.apply.status import write_status
from fraud_operator.models.source import source_of
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.conditions import holds
from fraud_operator.plan.detector import plan, plan_invalid
from fraud_operator.plan.types import (
    Event,
    Inputs,
    Observed,
    OperatorDefaults,
    Plan,
    StoreView,
)
from fraud_operator.runtime import metrics
from fraud_operator.runtime.events import Recorder
from fraud_operator.runtime.kube import ApiError, Conflict, Kube, WritesForbidden
from fraud_operator.runtime.logging import reconciling
from fraud_scorer.artifact.store import CredentialsMissing

log = logging.getLogger(__name__)

_RECHECK_SECONDS = 15.0
_BEHIND_SECONDS = 1.0
_SILENT_SECONDS = 10.0


class Incomplete(Exception):
    """Not everything could be done; the message says what. It is tried again, with backoff."""


@dataclass(frozen=True)
class Controller:
    """Everything that one reconciliation needs."""

    kube: Kube
    store: ObjectStore
    observer: Observer
    stores: ModelStores
    applier: Applier
    recorder: Recorder
    defaults: OperatorDefaults
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    behind: Callable[[], float] = lambda: 0.0
    """For how many seconds other keys have been waiting for a worker."""

    async def work(self, key: Key) -> float | None:
        """`reconcile` with its logs, its time and its outcome. Raises what it raises."""
        started = time.monotonic()
        result = "failed"
        with reconciling(str(key)):
            try:
                again_after = await self.reconcile(key)
                result = "done"
                return again_after
            except Conflict as error:
                # Our view was behind the API server: normal, and cured by the event under way.
                result = "conflict"
                log.debug("%s", error)
                raise
            except (ApiError, Incomplete, WritesForbidden) as error:
                log.warning("%s", error)
                raise
            except Exception:
                log.exception("reconcile failed; this is a bug in the operator")
                raise
            finally:
                took = time.monotonic() - started
                metrics.RECONCILES.labels(result).inc()
                metrics.RECONCILE_SECONDS.observe(took)
                log.debug("reconciled", extra={"result": result, "ms": round(took * 1000, 1)})

    async def reconcile(self, key: Key) -> float | None:
        """Make the cluster what the detector `key` asks for.

        Returns the seconds after which another look is due at the latest. Raises Incomplete,
        ApiError and WritesForbidden: nothing is lost then, and the key is to be tried again.
        """
        obj: Mapping[str, Any] | None = self.store.detector(key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return None
        try:
            detector = FraudDetector.parse(obj)
        except InvalidSpec as error:
            await self._publish(obj, plan_invalid(obj, error, self.now()))
            return None

        observed = await self.observer.look(key, detector)
        view = self._look_at_store(key, detector, observed)
        inputs = Inputs(detector, observed, view, self.defaults, self.now())
        wanted = plan(inputs)

        if wanted.status_first:
            obj = await self._publish(obj, wanted)
            inputs = replace(inputs, detector=FraudDetector.parse(obj))
            wanted = plan(inputs)
        applied = await self.applier.apply(key, detector.uid, wanted.objects, observed.children)
        if applied.complete:
            await prune(self.kube, self.store, key, detector.uid, observed.children, wanted.lasting)
        else:
            wanted = plan(replace(inputs, results=applied.results))
        if self._may_be_silent(detector, observed, wanted, applied):
            return _SILENT_SECONDS
        await self._publish(obj, wanted, applied.events)

        _complain(applied)
        # Nobody tells us when a missing Secret appears, or when somebody else's object goes.
        waits = observed.problems or applied.foreign
        recheck = _RECHECK_SECONDS if waits else None
        return _earliest(wanted.requeue_after, applied.again_after, recheck)

    def _look_at_store(self, key: Key, detector: FraudDetector, observed: Observed) -> StoreView:
        """What is known of the model store; a detector that is suspended is not looked up."""
        if detector.spec.suspend:
            self.stores.forget(key)
            return StoreView()
        view = self.stores.follow(key, source_of(detector))
        if view.reason == CredentialsMissing.reason and not observed.problems:
            self.stores.wake(key)
        return view

    def _may_be_silent(
        self, detector: FraudDetector, observed: Observed, wanted: Plan, applied: Applied
    ) -> bool:
        """Whether the first words about a detector can wait, because there is more to do and all
        that they would say is that its pods are on the way."""
        if self.behind() < _BEHIND_SECONDS or detector.status.get("conditions"):
            return False
        eventful = applied.events or wanted.events or not applied.complete
        if eventful or holds(wanted.status.get("conditions", ()), "Stalled", detector.generation):
            return False
        deployments = [
            one.manifest for one in wanted.objects if one.manifest["kind"] == "Deployment"
        ]
        if not deployments:
            return False
        made = observed.children.get(("Deployment", deployments[0]["metadata"]["name"]))
        return made is None or self._age(made) < _SILENT_SECONDS

    def _age(self, obj: Mapping[str, Any]) -> float:
        created = datetime.fromisoformat(obj["metadata"]["creationTimestamp"])
        return (self.now() - created).total_seconds()

    def _forget(self, key: Key) -> None:
        """The garbage collector takes the children; nothing else is left of a detector but this."""
        self.stores.forget(key)
        self.applier.forget(key)

    async def _publish(
        self, obj: Mapping[str, Any], wanted: Plan, events: Iterable[Event] = ()
    ) -> Mapping[str, Any]:
        """Record what was done, write the status where it differs, and record what that changed;
        the object afterwards."""
        await self._record(obj, events)
        written = await write_status(self.kube, self.store, obj, wanted.status)
        if written is not obj:
            await self._record(written, wanted.events)
        return written

    async def _record(self, obj: Mapping[str, Any], events: Iterable[Event]) -> None:
        for event in events:
            log.info("%s: %s", event.reason, event.message)
            await self.recorder.record(obj, event)


def _complain(applied: Applied) -> None:
    if applied.failed:
        raise Incomplete(
            "; ".join(f"{one.kind} {one.name}: {one.message}" for one in applied.failed)
        )


def _earliest(*delays: float | None) -> float | None:
    return min((delay for delay in delays if delay is not None), default=None)
