"""What a kubelet reports of pods, said by the test: a control plane has no node."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tests.cluster import ClusterError
from tests.support.process import Installation, wait_for


def scorer_pods(at: Installation, detector: str) -> dict[str, dict[str, Any]]:
    """The detector's scorer pods that are not going, by UID."""
    scorers = f"fraudops.io/detector={detector},app.kubernetes.io/name=fraud-scorer"
    text = at.kubectl("get", "pods", "--output=json", f"--selector={scorers}")
    return {
        pod["metadata"]["uid"]: pod
        for pod in json.loads(text)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def make_ready(at: Installation, detector: str, count: int) -> None:
    """Wait for that many scorer pods of the detector, and say that they are ready."""

    def pods() -> list[dict[str, Any]] | None:
        found = list(scorer_pods(at, detector).values())
        # Once the scheduler has found no node it lets the pod be; what it says later would replace
        # what is said here.
        seen = [pod for pod in found if _condition(pod, "PodScheduled")]
        return found if len(seen) == len(found) >= count else None

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
    patch = json.dumps({"status": {"phase": "Running", "conditions": [ready]}})
    for pod in wait_for(f"{count} pods of {detector}", pods):
        if _condition(pod, "Ready") == "True":
            continue
        at.kubectl(
            "patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=strategic",
            f"--patch={patch}",
        )  # fmt: skip


def _condition(pod: dict[str, Any], kind: str) -> str:
    """The status of a pod's condition; empty where it has none of the kind."""
    found = (one for one in pod["status"].get("conditions") or () if one["type"] == kind)
    return next((one["status"] for one in found), "")


def roll_out(at: Installation, detector: str, count: int) -> None:
    """Make pods ready until that many are there, all of the newest template, and the operator has
    said that it is at rest."""

    def rested() -> bool:
        with suppress(ClusterError):  # a pod that goes while it is told to be ready
            make_ready(at, detector, count)
        # In this order: once the operator has taken the change in, the Deployment has it.
        both = at.get("frauddetector", detector), at.get("deployment", f"{detector}-scorer")
        if not all(_taken_in(one) for one in both):
            return False
        said, status = (one["status"] for one in both if one is not None)
        conditions = {one["type"]: one["status"] for one in said["conditions"]}
        counts = {status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas")}
        settled = (conditions.get("Ready"), conditions.get("Reconciling")) == ("True", "False")
        return settled and counts == {count}

    wait_for(f"{detector} is rolled out", rested, seconds=90)


def _taken_in(obj: dict[str, Any] | None) -> bool:
    """Whether its controller has seen its newest spec: what is said of an older one is no news."""
    seen = (obj or {}).get("status", {}).get("observedGeneration")
    return obj is not None and bool(seen == obj["metadata"]["generation"])
