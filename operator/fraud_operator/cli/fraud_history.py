"""`kubectl fraud history NAME`: what served, and which of it can be gone back to."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fraud_operator.cli.access import access
from fraud_operator.cli.named import checked, detector_named
from fraud_operator.cli.terminal import Style, columns, printable, show, style_for
from fraud_operator.observe.store import DETECTOR_LABEL
from fraud_operator.plan.release.history import recorded
from fraud_operator.runtime.kinds import CONTROLLER_REVISION
from fraud_operator.runtime.kube import Object

_HEADS = ("VERSION", "REVISION", "REVIEW", "DECLINE", "BECAME ACTIVE", "WHY", "NOW")


async def run(arguments: argparse.Namespace) -> int:
    """Show what served. Raises Failure."""
    name = checked(arguments.name)
    async with access(arguments) as api:
        detector = await detector_named(api, name)
        objects, _ = await api.kube.list(
            CONTROLLER_REVISION,
            api.namespace,
            label_selector=f"{DETECTOR_LABEL}={name}",
        )
    found = summary(detector, objects)
    if arguments.output == "json":
        json.dump(
            {"namespace": api.namespace, "name": arguments.name, "revisions": found},
            sys.stdout,
            indent=2,
        )
        print()
    else:
        show(_lines(found, style_for(sys.stdout, os.environ)))
    return 0


def summary(detector: Mapping[str, Any], objects: Sequence[Object]) -> list[dict[str, Any]]:
    """Every revision that served, the newest first."""
    model = (detector.get("status") or {}).get("model") or {}
    good = (model.get("lastKnownGood") or {}).get("revision", "")
    refused = {one["digest"]: one for one in model.get("quarantined") or ()}
    ours = {
        ("ControllerRevision", one["metadata"]["name"]): one
        for one in objects
        if any(
            owner["uid"] == detector["metadata"]["uid"]
            for owner in one["metadata"].get("ownerReferences") or ()
        )
    }
    found = []
    for one in recorded(ours):
        revision = one.model.revision
        quarantined = refused.get(one.model.digest)
        state = (
            "active"
            if revision == model.get("activeRevision")
            else f"quarantined: {quarantined['reason']}"
            if quarantined
            else "last known good"
            if revision == good
            else ""
        )
        found.append(
            {
                "serial": one.serial,
                "version": one.model.version,
                "revision": revision,
                "digest": one.model.digest,
                "thresholds": {
                    "review": one.model.thresholds.review,
                    "decline": one.model.thresholds.decline,
                },
                "reasons": one.model.reasons,
                "at": one.at,
                "why": one.why,
                "state": state,
            }
        )
    return found


def _lines(found: Sequence[Mapping[str, Any]], style: Style) -> Iterator[str]:
    if not found:
        yield "Nothing has served yet."
        return
    rows = [
        (
            one["version"],
            one["revision"],
            one["thresholds"]["review"],
            one["thresholds"]["decline"],
            one["at"],
            one["why"],
            one["state"],
        )
        for one in found
    ]
    head, *lines = columns([printable(cell) for cell in row] for row in [_HEADS, *rows])
    yield style.bold(head)
    yield from lines
