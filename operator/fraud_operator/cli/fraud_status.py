"""`kubectl fraud status NAME`: a detector and all that belongs to it, as a tree.

What is said comes from the objects themselves; nothing is decided here. `summary` is the same as
data, which `-o json` prints and the tree is drawn from.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from fraud_operator.cli.access import access
from fraud_operator.cli.children import Part, parts
from fraud_operator.cli.exits import Exit, Failure
from fraud_operator.cli.look import Seen, look
from fraud_operator.cli.named import absent, checked
from fraud_operator.cli.status_tree import tree
from fraud_operator.cli.terminal import show, style_for
from fraud_operator.observe.store import Key


async def run(arguments: argparse.Namespace) -> int:
    """Show one detector. Raises Failure."""
    name = checked(arguments.name)
    async with access(arguments) as api:
        key = Key(api.namespace, name)
        seen = await look(api.kube, key)
        if seen.detector is None:
            raise Failure(await absent(api, key.name), Exit.NOT_FOUND)
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
