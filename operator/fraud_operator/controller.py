"""The reconcile loop: one detector at a time, read from top to bottom.

    observe -> plan (pure) -> model plan and record -> pods are told -> apply the rest
            -> pods in and out of the Service -> the store's ledger -> prune -> status, Events

Nothing is decided here. Model plan and record are written first and in one write, onto the very
state that they were decided from: whoever decided from an older one (a former leader that was
paused) fails there, before anybody is told anything. Each step may fail; what is done stays done,
and the next round begins from what is there, so a crash between any two ends in the same place.
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
from fraud_operator.apply.serving import set_serving
from fraud_operator.apply.status import write_status
from fraud_operator.apply.volumes import grow
from fraud_operator.models.fleet import Fleet
from fraud_operator.models.source import source_of, wanted_versions
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.observer import Observer, is_waiting
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.conditions import previous
from fraud_operator.plan.detector import earliest, plan, plan_invalid
from fraud_operator.plan.model_volume import are_available
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
_FIRST_WORDS_SECONDS = 5.0
_LONGEST_SILENCE_SECONDS = 30.0
_WORKLOADS = frozenset({"Deployment", "Job", "StatefulSet"})
"""What a detector waits for on its way to Ready."""
_HEARD_SECONDS = 1.0
"""Within which a pod answers, or is known to be silent."""


class Incomplete(Exception):
    """Not everything could be done; the message says what. It is tried again, with backoff."""


@dataclass(frozen=True)
class Controller:
    """Everything that one reconciliation needs."""

    kube: Kube
    store: ObjectStore
    observer: Observer
    stores: ModelStores
    fleet: Fleet
    applier: Applier
    recorder: Recorder
    defaults: OperatorDefaults
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

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

        observed = await self.observer.look(key, detector, obj)
        view = self._look_at_store(key, detector, observed)
        inputs = Inputs(detector, observed, view, self.defaults, self.now())
        wanted = plan(inputs)

        applied = await self.applier.apply(
            key,
            detector.uid,
            wanted.objects,
            observed.children,
            persisted=lambda: self._tell_pods(key, wanted, observed),
        )
        if wanted.growth is not None:
            grown = await grow(self.kube, wanted.growth)
            applied = replace(applied, results=[*applied.results, grown])
        await self._carry_out(key, obj, wanted, observed, applied)
        if applied.complete:
            await prune(self.kube, key, detector.uid, observed.children, wanted.lasting)
        else:
            wanted = plan(replace(inputs, results=applied.results))
        unsaid = self._can_wait(obj, wanted, observed, applied)
        if unsaid is None:
            await self._publish(obj, wanted, applied.events)

        _complain(applied)
        # Nobody tells us when a missing Secret appears, or when somebody else's object goes.
        waits = observed.problems or applied.foreign or any(map(is_waiting, observed.pods))
        recheck = _RECHECK_SECONDS if waits else None
        return earliest(wanted.requeue_after, applied.again_after, recheck, unsaid)

    def _tell_pods(self, key: Key, wanted: Plan, observed: Observed) -> None:
        """The plan is persisted: whoever reads it anew finds it, so pods may be told."""
        if wanted.release is not None and wanted.release.plan is not None:
            self.fleet.follow(key, wanted.release.plan, observed.token)

    async def _carry_out(
        self,
        key: Key,
        obj: Mapping[str, Any],
        wanted: Plan,
        observed: Observed,
        applied: Applied,
    ) -> None:
        """What else was decided about models, once that is persisted."""
        release = wanted.release
        if release is None or not applied.persisted:
            return
        if applied.wrote:
            await self._record(obj, release.events)
        await set_serving(
            self.kube,
            self.store,
            observed.pods,
            isolate=release.isolate,
            restore=release.restore,
        )
        self.stores.record(key, release.ledger)

    def _look_at_store(self, key: Key, detector: FraudDetector, observed: Observed) -> StoreView:
        """What is known of the model store; a detector that is suspended is not looked up."""
        if detector.spec.suspend:
            self.stores.forget(key)
            self.fleet.forget(key)
            return StoreView()
        if not (are_available(detector, observed) or self.stores.follows(key)):
            return StoreView()  # on its way: to find it away would be no news
        view = self.stores.follow(key, source_of(detector), wanted_versions(detector))
        if view.reason == CredentialsMissing.reason and not observed.problems:
            self.stores.wake(key)
        if observed.request is not None and observed.request.action == "sync":
            self.stores.look_now(key, observed.request.id)
        return view

    def _can_wait(
        self, obj: Mapping[str, Any], wanted: Plan, observed: Observed, applied: Applied
    ) -> float | None:
        """For how many seconds what the status would say can wait; None: it is to be said now."""
        status = obj.get("status") or {}
        before = previous(status.get("conditions", ()))
        said = previous(wanted.status.get("conditions", ()))
        if applied.events or not applied.complete or wanted.status == status:
            return None
        if _is_about_to_hear(observed, wanted):
            return _HEARD_SECONDS
        trouble = any(event.type == "Warning" for event in wanted.events)
        if trouble or not _is_on_the_way(said) or (before and not _is_on_the_way(before)):
            return None
        return self._quiet_seconds(obj, wanted, observed, said=bool(before))

    def _quiet_seconds(
        self, obj: Mapping[str, Any], wanted: Plan, observed: Observed, *, said: bool
    ) -> float | None:
        """How long a step on the way to Ready is left unsaid: the first as long as it took to get
        there, later ones half a minute. So a detector that comes up quickly says so once, when it
        is Ready, and a slow one says what it is at, however busy the cluster is. None: it was quiet
        for that long, or nothing that was made for it is being waited for."""
        now = self.now()
        waited_for = [child for child in wanted.lasting if child[0] in _WORKLOADS]
        there = [child for child in waited_for if child in observed.children]
        made = [_created(observed.children[child]) for child in there]
        if any(one.child in waited_for and one.child not in there for one in wanted.objects):
            made.append(now)  # in this very round
        if not made:
            return None
        began = max(made)
        took = (began - _created(obj)).total_seconds()
        first = _LONGEST_SILENCE_SECONDS if said else max(took, _FIRST_WORDS_SECONDS)
        quiet = min(first, _LONGEST_SILENCE_SECONDS)
        passed = (now - began).total_seconds()
        return quiet - passed if -quiet < passed < quiet else None

    def _forget(self, key: Key) -> None:
        """The garbage collector takes the children; nothing else is left of a detector but this."""
        self.stores.forget(key)
        self.fleet.forget(key)
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


def _is_about_to_hear(observed: Observed, wanted: Plan) -> bool:
    """Whether pods were told something and will have answered in a moment: what is said now would
    be another thing then, and the same as before where only the operator was started anew."""
    release = wanted.release
    if release is None or release.plan is None or not observed.token:
        return False
    return any(
        pod.report is None and pod.unreached_seconds < _HEARD_SECONDS for pod in observed.scorers
    )


def _is_on_the_way(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether that is no more than a step on the way to Ready: as good as what the CRD says of an
    object that nobody has looked at."""
    status = {type_: condition.get("status") for type_, condition in conditions.items()}
    return (
        status.get("Ready") == "Unknown"
        and status.get("Reconciling") == "True"
        and status.get("Stalled") != "True"
    )


def _created(obj: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(obj["metadata"]["creationTimestamp"])


def _complain(applied: Applied) -> None:
    if applied.failed:
        raise Incomplete(
            "; ".join(f"{one.kind} {one.name}: {one.message}" for one in applied.failed)
        )
