"""The plan of one FraudDetector: what `Controller.reconcile` would do, rehearsed.

dry run of the resource -> observe -> plan (the operator's) -> rehearse -> report
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec, name_is_valid
from fraud_operator.apply.applier import Applied, Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.apply.prune import prune
from fraud_operator.apply.volumes import grow
from fraud_operator.cli.access import Access
from fraud_operator.cli.exits import Failure
from fraud_operator.cli.look import Seen, look
from fraud_operator.cli.planning import children
from fraud_operator.cli.planning.differences import differences
from fraud_operator.cli.planning.files import Files
from fraud_operator.cli.planning.foresight import Obedient, followed_through
from fraud_operator.cli.planning.models import sentences
from fraud_operator.cli.planning.operator import UNKNOWN_IMAGE, Operator
from fraud_operator.cli.planning.rehearsal import Rehearsal
from fraud_operator.cli.planning.report import Action, Change, Pods, Report
from fraud_operator.cli.planning.resource import How, Refused, Resource, resource
from fraud_operator.cli.planning.store import (
    Look,
    ReadableSecrets,
    ReadableTokens,
    look_at_store,
)
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.store import Key
from fraud_operator.plan.children import scorer_name
from fraud_operator.plan.detector import plan
from fraud_operator.plan.model_plan import memory
from fraud_operator.plan.types import ChildKey, Inputs, Observed, Plan

_UNKNOWN_UID = "(known once it is created)"
_NOT_BY_APPLYING = frozenset({"RolloutFailed"})
"""Reasons of Stalled that are about what runs now, and not about what is planned."""


@dataclass(frozen=True, slots=True)
class Planner:
    """What all detectors of one command have in common."""

    api: Access
    files: Files
    how: How
    operator: Operator
    skip_store: bool
    look_at_store: Callable[..., Awaitable[Look]] = look_at_store

    async def report(self, obj: Mapping[str, Any]) -> Report:
        """The plan of one detector, which has a namespace. Raises ApiError and Failure where it
        cannot be made."""
        key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        if not name_is_valid(key.name):  # one that the API server could not even be asked about
            shown = Change("FraudDetector", key.name, "refused")
            return Report(*key, shown, problems=_invalid(obj))
        seen = await look(self.api.kube, key)
        try:
            changed = await resource(self.api, obj, seen.detector, self.how)
        except Refused as error:
            said = str(error)
            more = [one for one in _invalid(obj) if one not in said]
            shown = Change("FraudDetector", key.name, "refused")
            return Report(*key, shown, problems=[f"The API server refuses it: {said}", *more])
        shown = _shown(key, changed)
        problems = [*self._left_out(key, seen), *_invalid(changed.after)]
        if problems:
            return Report(*key, shown, problems=problems, assumed=self.operator.assumed)
        if seen.unseen:
            raise Failure(
                "a plan needs to know what there is, and you may not read it: "
                + "; ".join(seen.unseen.values())
            )
        return await self._rehearsed(key, seen, changed, shown)

    def _left_out(self, key: Key, seen: Seen) -> list[str]:
        """Why the operator does nothing of it at all."""
        if seen.detector is not None and seen.detector["metadata"].get("deletionTimestamp"):
            return [f"FraudDetector {key} is being deleted: apply it anew when it is gone."]
        watched = self.operator.namespaces
        if watched and key.namespace not in watched:
            return [
                f"The operator looks after {', '.join(watched)} and not after {key.namespace}:"
                " nothing would happen. Add the namespace to its --namespaces."
            ]
        return []

    async def _rehearsed(self, key: Key, seen: Seen, changed: Resource, shown: Change) -> Report:
        detector = FraudDetector.parse(changed.after)
        secrets = ReadableSecrets(self.api.kube, self.files.secrets)
        tokens = ReadableTokens(self.api.kube)
        told = memory(detector, seen.store.children(key)).plan
        observer = Observer(seen.store, secrets, tokens, Obedient(told))
        observed = await observer.look(key, detector, changed.after)
        store = await self.look_at_store(
            detector, seen.detector, observed, self.api.kube, secrets, skip=self.skip_store
        )
        inputs = Inputs(detector, observed, store.view, self.operator.defaults, datetime.now(UTC))
        verify = plan(inputs).release
        wanted, inputs = followed_through(inputs)

        rehearsal = Rehearsal(self.api.kube)
        applied = await Applier(rehearsal, seen.store, Contention()).apply(
            key, detector.uid, wanted.objects, observed.children
        )
        theirs = replace(
            applied, results=[one for one in applied.results if not children.not_asked(one)]
        )
        removed: Sequence[ChildKey] = ()
        if not any(one.outcome in ("Conflict", "Contended", "Failed") for one in theirs.results):
            removed = await prune(rehearsal, key, detector.uid, observed.children, wanted.lasting)
        grown = await _grown(rehearsal, wanted)
        outcome = _Outcome(seen, detector, observed, wanted, store, rehearsal, applied, removed)
        return Report(
            *key,
            shown,
            children=[*outcome.children(), *grown],
            pods=outcome.pods(),
            models=list(
                sentences(
                    inputs,
                    wanted,
                    verify.verify if verify is not None else None,
                    placeholder=store.placeholder,
                )
            ),
            problems=_stalled(inputs, wanted, theirs),
            assumed=[
                *self.operator.assumed,
                *store.assumed,
                *_unread([*secrets.unread, *tokens.unread]),
                *rehearsal.unchecked,
                *_default_image(wanted),
            ],
            notes=_notes(detector, self.files),
        )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Everything that the children's report is made from."""

    seen: Seen
    detector: FraudDetector
    observed: Observed
    wanted: Plan
    store: Look
    rehearsal: Rehearsal
    applied: Applied
    removed: Sequence[ChildKey]

    def children(self) -> list[Change]:
        """What becomes of each child."""
        stand_ins = self._stand_ins()
        return [children.masked(one, stand_ins) for one in self._changes()]

    def pods(self) -> Pods:
        """What becomes of the pods."""
        child = ("Deployment", scorer_name(self.detector))
        found = children.pods(
            next((one for one in self._changes() if (one.kind, one.name) == child), None),
            self.observed.children.get(child),
            self.rehearsal.made.get(child),
            self.observed.pods,
        )
        for one in self.wanted.objects:
            if one.manifest["kind"] == "HorizontalPodAutoscaler":
                bounds = one.manifest["spec"]["minReplicas"], one.manifest["spec"]["maxReplicas"]
                return replace(found, autoscaler=bounds)
        return found

    def _changes(self) -> list[Change]:
        found = children.changes(
            self.wanted.objects,
            self.applied.results,
            self.observed.children,
            self.rehearsal.made,
            self.removed,
        )
        # Of a version that only stands in nobody knows how its verification would be named.
        return [one for one in found if not (self.store.placeholder and one.kind == "Job")]

    def _stand_ins(self) -> dict[str, str]:
        """What is not known, by what stands for it in manifests."""
        found = {UNKNOWN_IMAGE: "(the operator's default image)"}
        if self.seen.detector is None and self.detector.uid:
            found[self.detector.uid] = _UNKNOWN_UID
        return found


async def _grown(rehearsal: Rehearsal, wanted: Plan) -> list[Change]:
    """What becomes of a claim that is to be larger."""
    if wanted.growth is None:
        return []
    claim = wanted.growth.claim
    result = await grow(rehearsal, wanted.growth)
    kind, name = result.kind, result.name
    if result.outcome == "Failed":
        return [Change(kind, name, "refused", (), True, result.message)]
    fields = differences(claim, rehearsal.made[kind, name])
    return [Change(kind, name, "change", fields)]


def _shown(key: Key, changed: Resource) -> Change:
    fields = changed.changes
    action: Action = "create" if changed.before is None else "change" if fields else "none"
    return Change("FraudDetector", key.name, action, fields)


def _invalid(obj: Mapping[str, Any]) -> list[str]:
    """What the operator has against it; the CRD in the cluster may be laxer."""
    try:
        FraudDetector.parse(obj)
    except InvalidSpec as error:
        return [f"The operator could not act upon it: {one}." for one in error.errors]
    return []


def _stalled(inputs: Inputs, wanted: Plan, applied: Applied) -> list[str]:
    """What would keep the operator from doing it, in the words that its status would have."""
    if not applied.complete:
        wanted = plan(replace(inputs, results=applied.results))
    for condition in wanted.status.get("conditions") or ():
        if condition["type"] == "Stalled" and condition["status"] == "True":
            if condition["reason"] in _NOT_BY_APPLYING:
                break
            return [f"The detector would be stalled: {condition['reason']}: {condition['message']}"]
    return [f"{one.kind} {one.name}: {one.message}" for one in applied.failed]


def _unread(names: Sequence[str]) -> list[str]:
    return [
        f"You may not read Secret {name}. Assumed: it is there, with the keys that it needs."
        for name in dict.fromkeys(names)
    ]


def _default_image(wanted: Plan) -> list[str]:
    if not any(UNKNOWN_IMAGE in str(one.manifest) for one in wanted.objects):
        return []
    return ["The operator's default image is not known: --scorer-image says it."]


def _notes(detector: FraudDetector, files: Files) -> list[str]:
    notes = []
    if detector.spec.suspend:
        notes.append("spec.suspend is true: the operator changes nothing and repairs nothing.")
    if files.others:
        notes.append(f"Not planned, though in the files: {', '.join(files.others)}.")
    return notes
