"""What becomes of each child, and which pods restart: a rehearsal's outcome, field by field."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fraud_operator.apply.applier import HASH_ANNOTATION
from fraud_operator.cli.planning.differences import Difference, differences, fields_of
from fraud_operator.cli.planning.rehearsal import NO_DRY_RUN
from fraud_operator.cli.planning.report import Action, Change, Pods
from fraud_operator.plan.model_plan import PLAN_KEY, RECORD_KEY
from fraud_operator.plan.pod_template import TEMPLATE_ANNOTATION
from fraud_operator.plan.types import ChildKey, ChildResult, Desired, Manifested
from fraud_operator.runtime.kube import Object

RECORDS = (
    *(f"metadata.annotations[{name}]" for name in (HASH_ANNOTATION, TEMPLATE_ANNOTATION)),
    *(f"data[{key}]" for key in (PLAN_KEY, RECORD_KEY)),
)
"""What the report says in other words, or not at all."""
ONLY_RECORDS = "only the operator's own record of it"
_NO_RIGHT = re.compile(r"User \"[^\"]*\" cannot \w+ resource")


def not_asked(result: ChildResult) -> bool:
    """Whether the server gave no answer to the question itself: the user may not ask it, or a
    webhook takes no dry runs. Neither says anything of what the operator's write would meet."""
    lacks_right = result.reason == "Forbidden" and _NO_RIGHT.search(result.message)
    return result.outcome == "Failed" and bool(lacks_right or NO_DRY_RUN in result.message)


def changes(
    objects: Sequence[Desired],
    results: Sequence[ChildResult],
    before: Mapping[ChildKey, Manifested],
    made: Mapping[ChildKey, Object],
    removed: Sequence[ChildKey],
) -> list[Change]:
    """What becomes of each child, in the order in which the operator goes about it."""
    by_child = {(one.kind, one.name): one for one in results}
    found = []
    for desired in sorted(objects, key=lambda one: one.phase):
        child = (desired.manifest["kind"], desired.manifest["metadata"]["name"])
        found.append(_change(desired, by_child[child], before.get(child), made.get(child)))
    for kind, name in removed:
        found.append(Change(kind, name, "remove"))
    return found


def _change(
    desired: Desired, result: ChildResult, live: Manifested | None, made: Object | None
) -> Change:
    kind, name = result.kind, result.name
    if result.outcome == "Unchanged":
        return Change(kind, name, "none")
    if result.outcome == "Applied":
        if live is None:
            whole = _held(desired.manifest, desired.hold_replicas)
            return _changed(kind, name, "create", fields_of(whole))
        return _changed(kind, name, "change", differences(live, made or desired.manifest))
    message = result.message or "an earlier child of the same component does not succeed"
    if result.outcome in ("Failed", "Skipped") and (not_asked(result) or not result.message):
        if live is None:
            fields = fields_of(desired.manifest)
        else:
            fields = differences(live, _overlaid(live, desired.manifest))
        action: Action = "change" if live is not None else "create"
        change = _changed(kind, name, action, fields)
        return replace(change, checked=False, message=message)
    return Change(kind, name, "refused", (), True, message)


def _held(manifest: Manifested, replicas: int | None) -> Manifested:
    """With the number of pods to start with, where an autoscaler is to have it afterwards."""
    if replicas is None:
        return manifest
    return {**manifest, "spec": {"replicas": replicas, **manifest["spec"]}}


def _changed(kind: str, name: str, action: Action, fields: Sequence[Difference]) -> Change:
    """Without the operator's own records; where only these change, it is said."""
    kept = [one for one in fields if one.path not in RECORDS]
    return Change(kind, name, action, kept, message="" if kept else ONLY_RECORDS)


def _overlaid(live: Any, manifest: Any) -> Any:
    """What an apply would make, roughly: nothing is removed, and lists are replaced."""
    if isinstance(live, Mapping) and isinstance(manifest, Mapping):
        merged = copy.deepcopy(dict(live))
        for key, value in manifest.items():
            merged[key] = _overlaid(live.get(key), value)
        return merged
    if isinstance(live, list) and isinstance(manifest, list) and len(live) == len(manifest):
        return [_overlaid(one, other) for one, other in zip(live, manifest, strict=True)]
    return manifest


def pods(
    deployment: Change | None,
    live: Manifested | None,
    made: Object | None,
    running: Sequence[Manifested],
) -> Pods:
    """Which pods restart, and why."""
    before = live["spec"].get("replicas", 1) if live is not None else None
    if deployment is None or deployment.action in ("none", "refused"):
        return Pods(wanted_before=before, wanted_after=before)
    if deployment.action == "remove":
        return Pods(wanted_before=before, wanted_after=0)
    fields = {one.path: one for one in deployment.fields}
    after = fields["spec.replicas"].after if "spec.replicas" in fields else before
    if made is not None:
        after = made["spec"].get("replicas", after)
    template = [one for one in deployment.fields if one.path.startswith("spec.template.")]
    if live is None or not template:
        return Pods(wanted_before=before, wanted_after=after)
    names = [
        pod["metadata"]["name"] for pod in running if not pod["metadata"].get("deletionTimestamp")
    ]
    return Pods(
        restart=sorted(names),
        because=[one.path for one in template],
        wanted_before=before,
        wanted_after=after,
    )


def masked(change: Change, stand_ins: Mapping[str, str]) -> Change:
    """With what is said of the unknown in place of `stand_ins`, by what stands for it."""

    def hide(value: Any) -> Any:
        if isinstance(value, list):
            return [hide(item) for item in value]
        if isinstance(value, str):
            for stand_in, said in stand_ins.items():
                value = value.replace(stand_in, said)
        return value

    fields = []
    for one in change.fields:
        unknown = next((said for name, said in stand_ins.items() if name in one.path), None)
        fields.append(
            replace(
                one,
                path=one.path if unknown is None else re.sub(r"\[[^\[\]]*\]$", "", one.path),
                before=hide(one.before),
                after=unknown or hide(one.after),
            )
        )
    return replace(change, fields=fields)
