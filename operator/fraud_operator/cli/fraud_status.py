"""`kubectl fraud status NAME`: a detector and all that belongs to it, as a tree.

What is said comes from the objects themselves; nothing is decided here. `summary` is the same as
data, which `-o json` prints and the tree is drawn from.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from fraud_operator.cli.access import Access, access
from fraud_operator.cli.children import Part, parts
from fraud_operator.cli.exits import Exit, Failure
from fraud_operator.cli.look import Seen, look
from fraud_operator.cli.status_tree import tree
from fraud_operator.cli.terminal import show, style_for
from fraud_operator.observe.store import Key
from fraud_operator.runtime.kinds import FRAUD_DETECTOR

_NAME = r"[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?"
"""What the API server takes in a path and in a selector; `fd/cards` is neither."""


async def run(arguments: argparse.Namespace) -> int:
    """Show one detector. Raises Failure."""
    if not re.fullmatch(_NAME, arguments.name):
        raise Failure(
            f"{arguments.name!r} cannot be the name of a FraudDetector: give the name alone, such"
            " as cards; kubectl get frauddetectors -A lists them"
        )
    async with access(arguments) as api:
        key = Key(api.namespace, arguments.name)
        seen = await look(api.kube, key)
        if seen.detector is None:
            raise Failure(await _absent(api, key), Exit.NOT_FOUND)
    found = summary(key, seen.detector, seen)
    if arguments.output == "json":
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        show(tree(found, style_for(sys.stdout, os.environ)).lines())
    return verdict(found)


def summary(key: Key, detector: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    """Everything that is shown."""
    status = detector.get("status") or {}
    generation = detector["metadata"].get("generation", 1)
    conditions = status.get("conditions") or []
    made = parts(seen.store.children(key), seen.store.pods(key))
    return {
        "namespace": key.namespace,
        "name": key.name,
        "generation": generation,
        "observedGeneration": status.get("observedGeneration", -1),
        "suspended": bool(detector.get("spec", {}).get("suspend")),
        "deleting": "deletionTimestamp" in detector["metadata"],
        "model": status.get("model") or {},
        "effective": status.get("effective") or {},
        "endpoint": (status.get("scorer") or {}).get("endpoint", ""),
        "children": [_shown(part) for part in made],
        "unseen": dict(seen.unseen),
        "conditions": [
            {
                name: condition.get(name, "")
                for name in ("type", "status", "reason", "message", "lastTransitionTime")
            }
            | {"current": condition.get("observedGeneration") == generation}
            for condition in conditions
        ],
    }


def verdict(found: Mapping[str, Any]) -> Exit:
    """The exit status. What was said of an older spec says nothing of this one."""
    by_type = {one["type"]: one for one in found["conditions"]}
    ready, stalled = by_type.get("Ready", {}), by_type.get("Stalled", {})
    if ready.get("status") == "True" and ready.get("current"):
        return Exit.OK
    if stalled.get("status") == "True" and stalled.get("current"):
        return Exit.STALLED
    return Exit.NOT_READY


def _shown(part: Part) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": part.kind,
        "name": part.name,
        "ready": part.ready,
        "message": part.message,
    }
    if part.pods:
        shown["pods"] = [_shown(pod) for pod in part.pods]
    return shown


async def _absent(api: Access, key: Key) -> str:
    if await api.get(f"/apis/{FRAUD_DETECTOR.group}/{FRAUD_DETECTOR.version}") is None:
        return (
            f"the cluster knows no {FRAUD_DETECTOR.plural}: install the operator, or choose another"
            " cluster with --context"
        )
    return (
        f"there is no FraudDetector {key.name} in namespace {key.namespace}:"
        " kubectl get frauddetectors -A lists them"
    )
