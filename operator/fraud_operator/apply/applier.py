"""Server-side apply of a plan's objects, and nothing written where nothing changed.

An object is as planned when its applied-hash annotation is that of the manifest and our field
manager still owns every field of it: whoever changes a field takes it over. Both are read from the
object itself, so a restarted operator writes nothing either.

Objects are applied phase by phase. One that fails ends its own component, not the others. What is
exact comes first of all: onto the very state that it was decided from, or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from fraud_operator.apply import fields, replicas, secrets
from fraud_operator.apply.contention import Contention
from fraud_operator.apply.drift import Drift
from fraud_operator.apply.ownership import Standing, ownership
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.types import ChildKey, ChildResult, Desired, Event, Manifested
from fraud_operator.runtime import metrics
from fraud_operator.runtime.kinds import CHILDREN, SECRET, kind_of
from fraud_operator.runtime.kube import FIELD_MANAGER, ApiError, Conflict, Kube
from fraud_scorer.artifact.digest import canonical_json, sha256_hex

log = logging.getLogger(__name__)

HASH_ANNOTATION = "fraudops.io/applied-hash"
_HASH_PATH = ("metadata", "annotations", HASH_ANNOTATION)
_HASH_DIGITS = 32
_NEVER = "1"
"""A resourceVersion that no object has. Applied with it, an object is created, and one that exists
is a conflict: so in one request it is made, or found to be there and left alone."""
_PRECONDITIONS = {"uid": "uid", "resource_version": "resourceVersion"}
_BEING_REPLACED = "BeingReplaced"
_REMADE = (
    "somebody deleted {what}; made anew, with other values: what knew the old ones, such as a"
    " database that is there, has to be told"
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan's objects."""

    results: Sequence[ChildResult]
    events: Sequence[Event] = ()
    """One for each child that somebody else had changed or deleted and that was put back."""
    again_after: float | None = None
    """Seconds until a contended child is to be tried again."""
    persisted: bool = False
    """Whether all exact ones are as they were decided, and there are any."""
    wrote: bool = False
    """Whether they had to be written for that."""

    @property
    def complete(self) -> bool:
        """Whether every object is now as it was planned."""
        return all(result.outcome in ("Unchanged", "Applied") for result in self.results)

    @property
    def foreign(self) -> bool:
        """Whether somebody else's object is in the way."""
        return any(result.outcome == "Conflict" for result in self.results)

    @property
    def failed(self) -> Sequence[ChildResult]:
        """Those that are worth trying again soon."""
        return [result for result in self.results if result.outcome == "Failed"]


@dataclass(slots=True)
class _Run:
    """One detector's plan being applied."""

    key: Key
    uid: str
    children: Mapping[ChildKey, Manifested]
    had: frozenset[ChildKey]
    """What was there when it was applied last: what is missing of it now, somebody deleted."""
    events: list[Event] = field(default_factory=list)
    again_after: float | None = None


class Applier:
    """Applies plans, one detector at a time for any one key."""

    def __init__(
        self,
        kube: Kube,
        store: ObjectStore,
        contention: Contention,
        *,
        clock: Callable[[], float] = time.monotonic,
        made_secret: Callable[[Manifested], None] = lambda _: None,
    ) -> None:
        """`made_secret` is given each Secret that was made: the view keeps none."""
        self._kube = kube
        self._secrets = secrets.KeptSecrets(kube, clock)
        self._made_secret = made_secret
        self._store = store
        self._contention = contention
        self._drift = Drift()
        self._had: dict[Key, tuple[str, frozenset[ChildKey]]] = {}
        """Per detector, with its uid. In memory only: what is deleted while no operator runs comes
        back all the same, and nobody says that it was gone."""

    async def apply(
        self,
        key: Key,
        uid: str,
        objects: Sequence[Desired],
        children: Mapping[ChildKey, Manifested],
        *,
        persisted: Callable[[], None] = lambda: None,
    ) -> Applied:
        """Make `objects` of the detector `key` with that `uid` so.

        `persisted` is called once the exact ones are, before any other. Raises WritesForbidden,
        and Conflict where an exact one was decided from what is not there any more.
        """
        of, had = self._had.get(key, (uid, frozenset()))
        run = _Run(key, uid, children, had if of == uid else frozenset())
        results: list[ChildResult] = []
        broken: set[str] = set()
        exact = wrote = False
        unrecorded = not any(one.exact for one in objects)
        ordered = sorted(objects, key=_turn)
        for (rest, _), phase in groupby(ordered, key=_turn):
            of_phase = [
                await self._one(run, desired, broken, persisted=exact or unrecorded)
                for desired in phase
            ]
            broken |= {one.component for one in of_phase if one.outcome in ("Conflict", "Failed")}
            results += of_phase
            if not rest and not broken:
                exact, wrote = True, any(one.outcome == "Applied" for one in of_phase)
                persisted()
        self._had[key] = (uid, _there(run, results))
        return Applied(results, run.events, run.again_after, exact, wrote)

    def forget(self, key: Key) -> None:
        """The detector is gone."""
        self._contention.forget(key)
        self._drift.forget(key)
        _, had = self._had.pop(key, ("", frozenset()))
        self._secrets.forget(key.namespace, {name for _, name in had})

    async def _one(
        self, run: _Run, desired: Desired, broken: set[str], *, persisted: bool
    ) -> ChildResult:
        kind, name = desired.manifest["kind"], desired.manifest["metadata"]["name"]
        result = ChildResult(desired.component, kind, name, "Unchanged")
        if desired.component in broken or (desired.recorded and not persisted):
            return replace(result, outcome="Skipped", reason="EarlierChildFailed")
        try:
            return await self._settle(run, desired, result)
        except ApiError as error:
            log.warning("cannot apply %s %s: %s", kind, name, error)
            if isinstance(error, Conflict):
                await self._look_again(desired)
                if desired.exact:
                    raise
            return replace(result, outcome="Failed", reason=error.reason, message=_advice(error))

    async def _settle(self, run: _Run, desired: Desired, result: ChildResult) -> ChildResult:
        if desired.generated and not desired.once:
            return await self._settle_secret(run, desired, result)
        manifest = _hashed(desired.manifest)
        live = run.children.get((result.kind, result.name))
        if live is None:
            try:
                made = await self._make(run, desired, manifest)
            except Conflict:
                # There is one, though not in our view: perhaps without our label. Never adopt it.
                live = await self._kube.get(kind_of(manifest), run.key.namespace, result.name)
                if live is None or (desired.exact and _is_ours(live, run)):
                    raise
            else:
                await self._hold_replicas(desired, made)
                if (result.kind, result.name) in run.had:
                    # Who deleted an object, the API server tells in its audit log only.
                    _reverted(
                        run,
                        result,
                        f"somebody deleted {result.kind} {result.name}; made anew: change the"
                        " FraudDetector, or delete it, instead",
                    )
                return replace(result, outcome="Applied")

        if (not_ours := _not_ours(run, desired, live, result)) is not None:
            return not_ours
        if desired.replace:
            return await self._replace(live, result)
        return await self._bring_back(run, desired, manifest, live, result)

    async def _settle_secret(self, run: _Run, desired: Desired, result: ChildResult) -> ChildResult:
        """A Secret with values of its own, which may be there from a detector before."""
        if self._secrets.are_settled(desired, run.uid):
            return result
        meta = desired.manifest["metadata"]
        live = await self._kube.get(kind_of(desired.manifest), meta["namespace"], meta["name"])
        if live is None:
            await self._make(run, desired, desired.manifest)
            if (result.kind, result.name) in run.had:
                _reverted(run, result, _REMADE.format(what=f"{result.kind} {result.name}"))
            return replace(result, outcome="Applied")
        if (not_ours := _not_ours(run, desired, live, result)) is not None:
            return not_ours
        changed = await self._secrets.bring_up(desired, live, run.uid)
        return replace(result, outcome="Applied") if changed else result

    async def _replace(self, live: Manifested, result: ChildResult) -> ChildResult:
        """Delete it without its pods. That it is gone is an event, upon which it is made anew."""
        meta, kind = live["metadata"], kind_of(live)
        await self._kube.delete(kind, meta["namespace"], meta["name"], uid=meta["uid"], orphan=True)
        return replace(
            result,
            outcome="Skipped",
            reason=_BEING_REPLACED,
            message=f"{result.kind} {result.name} is made anew around its pods, which go on",
        )

    async def _bring_back(
        self,
        run: _Run,
        desired: Desired,
        manifest: Manifested,
        live: Manifested,
        result: ChildResult,
    ) -> ChildResult:
        """An existing child of ours: leave it, update it, or put back what somebody changed."""
        if desired.once:
            return result
        digest = manifest["metadata"]["annotations"][HASH_ANNOTATION]
        drift = self._drift.of(run.key, live, manifest, digest)
        planned = (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION)
        same_plan = planned == digest
        if same_plan and not drift:
            await self._hold_replicas(desired, live)
            return result

        onto = {"uid": live["metadata"]["uid"]}
        if desired.exact:
            onto["resource_version"] = live["metadata"]["resourceVersion"]
        if not same_plan and _HASH_PATH not in drift:
            await replicas.hand_over(self._kube, live, manifest)
            made = await self._write(run, manifest, force=True, **onto)
            await self._hold_replicas(desired, made)
            return replace(result, outcome="Applied")

        managers = _managers(live, drift)
        rival = self._contention.rival(run.key, result.kind, result.name, managers)
        if rival is not None:
            run.again_after = min(run.again_after or rival.again_after, rival.again_after)
            return replace(
                result,
                outcome="Contended",
                reason="Contended",
                message=(
                    f"{rival.manager} keeps changing {_described(drift)} of {result.kind}"
                    f" {result.name}, which the operator owns: set it in the FraudDetector, or stop"
                    f" {rival.manager}"
                ),
            )
        made = await self._write(run, manifest, force=True, **onto)
        await self._hold_replicas(desired, made)
        self._contention.reverted(run.key, result.kind, result.name, managers)
        _reverted(
            run,
            result,
            f"{', '.join(managers)} changed {_described(drift)} of {result.kind} {result.name};"
            " put back: change the FraudDetector instead",
        )
        return replace(result, outcome="Applied")

    async def _make(self, run: _Run, desired: Desired, manifest: Manifested) -> Manifested:
        """A new object. Raises Conflict where there is one."""
        if not (desired.once or desired.generated):
            return await self._write(run, manifest, force=False, resource_version=_NEVER)
        data = secrets.made_up(desired.generated)
        made = await self._kube.create({**manifest, **({"data": data} if data else {})})
        if (kind := kind_of(manifest)) in CHILDREN:
            self._store.put(kind, made)
        elif kind == SECRET:
            self._made_secret(made)
        return made

    async def _write(
        self, run: _Run, manifest: Manifested, *, force: bool, **precondition: str
    ) -> Manifested:
        """Apply; a `uid` or `resource_version` makes sure that it is what was looked at."""
        kind = kind_of(manifest)
        given = {_PRECONDITIONS[name]: value for name, value in precondition.items()}
        made = await self._kube.apply(
            {**manifest, "metadata": {**manifest["metadata"], **given}}, force=force
        )
        self._store.put(kind, made)
        self._drift.wrote(run.key, made, manifest)
        return made

    async def _hold_replicas(self, desired: Desired, live: Manifested) -> None:
        if desired.hold_replicas is not None:
            held = await replicas.hold(self._kube, live, desired.hold_replicas)
            if held is not None:
                self._store.put(kind_of(held), held)

    async def _look_again(self, desired: Desired) -> None:
        """After a conflict: the view was behind. What we see now is what the next try goes by."""
        kind, meta = kind_of(desired.manifest), desired.manifest["metadata"]
        try:
            live = await self._kube.get(kind, meta["namespace"], meta["name"])
        except ApiError:
            return
        if live is not None:
            self._store.put(kind, live)
        else:
            self._store.lose(kind, meta["namespace"], meta["name"])


def _not_ours(
    run: _Run, desired: Desired, live: Manifested, result: ChildResult
) -> ChildResult | None:
    """What is said of an object that we must leave alone; None of one of ours."""
    whose = ownership(live, detector=run.key.name, uid=run.uid, kept=desired.kept)
    if whose.standing is Standing.FOREIGN:
        return replace(
            result,
            outcome="Conflict",
            reason="NotOurs",
            message=(
                f"{result.kind} {run.key.namespace}/{result.name} exists and belongs to"
                f" {whose.owner}: rename or delete it, or give the detector another name"
            ),
        )
    if whose.standing is Standing.LEAVING:
        return replace(
            result,
            outcome="Failed",
            reason="BeingDeleted",
            message=(
                f"{result.kind} {run.key.namespace}/{result.name} of {whose.owner} is being"
                " deleted; it is created anew once it is gone"
            ),
        )
    return None


def _is_ours(live: Manifested, run: _Run) -> bool:
    whose = ownership(live, detector=run.key.name, uid=run.uid)
    return whose.standing is Standing.OURS


def _turn(desired: Desired) -> tuple[bool, int]:
    return not desired.exact, desired.phase


def _there(run: _Run, results: Sequence[ChildResult]) -> frozenset[ChildKey]:
    """The wanted children that are there now, and those that could not yet be brought back."""
    there = {
        (one.kind, one.name)
        for one in results
        if one.outcome in ("Applied", "Unchanged", "Contended")
    }
    missed = {(one.kind, one.name) for one in results if one.reason != _BEING_REPLACED}
    return frozenset(there | (run.had & missed))


def _reverted(run: _Run, result: ChildResult, message: str) -> None:
    metrics.REVERTS.labels(result.kind).inc()
    run.events.append(Event("Warning", "DriftReverted", message, action="Revert"))


def _digest(manifest: Manifested) -> str:
    return sha256_hex(canonical_json(manifest))[:_HASH_DIGITS]


def _hashed(manifest: Manifested) -> Manifested:
    digest = _digest(manifest)
    meta = manifest["metadata"]
    annotations = {**(meta.get("annotations") or {}), HASH_ANNOTATION: digest}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def _managers(live: Mapping[str, Any], drift: Sequence[fields.Path]) -> list[str]:
    found: dict[str, None] = {}
    for path in drift:
        for manager in fields.owners(live, path, but=FIELD_MANAGER):
            found.setdefault(manager)
    return list(found) or ["somebody"]  # a field that was removed has no owner


def _described(drift: Sequence[fields.Path]) -> str:
    """The hash is named only where nothing else is there to be named."""
    return fields.listed([path for path in drift if path != _HASH_PATH] or drift)


def _advice(error: ApiError) -> str:
    """What the server said, and what to do where only a person can do something."""
    if error.status == 403 and "terminated" not in error.message:
        return f"{error.message}: allow it to the operator's ServiceAccount, or lift the quota"
    return error.message
