"""What applying a file would make of the FraudDetector itself, by the API server's own word.

kubectl apply sends a patch of three ways (what was applied last, what is in the file, what is
there); kubectl apply --server-side sends the file. The same is sent here as a dry run, so schema,
CEL rules, ratcheting, admission and the user's rights all have their say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.apply.status import merge_patch
from fraud_operator.cli.access import APPLY_PATCH, JSON, MERGE_PATCH, Access
from fraud_operator.cli.planning.differences import Difference, differences, fields_of
from fraud_operator.cli.planning.rehearsal import NO_DRY_RUN
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import ApiError, NotFound, Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CLIENT_SIDE = "kubectl-client-side-apply"
_WHOLE_OBJECT = re.compile(r'^ ?"" is invalid: patch: |Invalid value: "\{.*\}": ', re.DOTALL)
"""The server repeats the object, or none, before it says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class How:
    """How the file is going to be applied."""

    server_side: bool = False
    manager: str = "kubectl"
    force: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """A FraudDetector before and after."""

    before: Object | None
    after: Object

    @property
    def changes(self) -> list[Difference]:
        """What the user changes."""
        if self.before is None:
            return fields_of(self.after)
        return [
            one
            for one in differences(self.before, self.after)
            if one.path != f"metadata.annotations[{LAST_APPLIED}]"
        ]


class Refused(Exception):
    """The API server does not take the resource; the message says why."""


async def resource(
    api: Access, wanted: Mapping[str, Any], live: Object | None, how: How
) -> Resource:
    """Ask the API server what would become of it. Raises Refused, and ApiError where it could not
    be asked."""
    try:
        return Resource(live, await _asked(api, wanted, live, how))
    except NotFound as error:
        raise Refused(await _missing(api, wanted, error)) from None
    except ApiError as error:
        if error.status in (0, 401) or error.status >= 500 or NO_DRY_RUN in error.message:
            raise
        raise Refused(_WHOLE_OBJECT.sub("", error.message)) from None


async def _asked(api: Access, wanted: Mapping[str, Any], live: Object | None, how: How) -> Object:
    meta = wanted["metadata"]
    sent = {key: value for key, value in wanted.items() if key != "status"}
    path = FRAUD_DETECTOR.path(meta["namespace"], meta["name"])
    if how.server_side:
        force = {"force": "true"} if how.force else {}
        return await api.dry_run(
            "PATCH", path, sent, APPLY_PATCH, fieldManager=how.manager, fieldValidation="Strict",
            **force,
        )  # fmt: skip
    options = {"fieldManager": _CLIENT_SIDE, "fieldValidation": "Strict"}
    if live is None:
        return await api.dry_run(
            "POST", FRAUD_DETECTOR.path(meta["namespace"]), sent, JSON, **options
        )
    patch = three_way_patch(_last_applied(live), sent, live)
    if not patch:
        return live
    return await api.dry_run("PATCH", path, patch, MERGE_PATCH, **options)


def three_way_patch(
    applied: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]
) -> dict[str, Any]:
    """As kubectl makes it: what the file adds or changes of what is there, and the removal of what
    was applied last and is in the file no more."""
    patch = _without_removals(merge_patch(live, wanted))
    return _merged(patch, _only_removals(merge_patch(applied, wanted)))


def _last_applied(live: Mapping[str, Any]) -> dict[str, Any]:
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "{}")
    try:
        applied: dict[str, Any] = json.loads(text)
        (applied.get("metadata", {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    except (ValueError, AttributeError):  # edited by hand
        return {}
    return applied


def _without_removals(patch: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            value = _without_removals(value)
            if not value and patch[key]:
                continue
        if value is not None:
            kept[key] = value
    return kept


def _only_removals(patch: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in patch.items():
        if value is None:
            kept[key] = None
        elif isinstance(value, dict) and (inner := _only_removals(value)):
            kept[key] = inner
    return kept


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        mine = merged.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            value = _merged(mine, value)
        merged[key] = value
    return merged


async def _missing(api: Access, wanted: Mapping[str, Any], error: NotFound) -> str:
    """What 404 means: no such kind, or no such namespace."""
    if await api.get(f"/apis/{FRAUD_DETECTOR.group}/{FRAUD_DETECTOR.version}") is None:
        return (
            f"the cluster knows no {FRAUD_DETECTOR.plural}.{FRAUD_DETECTOR.group}:"
            " kubectl apply --server-side -f crds/ (or install the operator's chart)"
        )
    if 'namespaces "' in error.message:
        name = wanted["metadata"]["namespace"]
        return f"there is no namespace {name}: kubectl create namespace {name}"
    return error.message
