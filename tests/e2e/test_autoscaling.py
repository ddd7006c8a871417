"""The autoscaler under real load: up and down by CPU, and replicas change hands without a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.bed import Bed, wait_for
from tests.e2e.load import under_load
from tests.support.closing import say

pytestmark = [pytest.mark.node, pytest.mark.long]

NAME = "busy"
AUTOSCALED: Mapping[str, Any] = {
    "scorer": {"replicas": None},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 3, "scaleDownStabilizationSeconds": 15},
}
FIXED: Mapping[str, Any] = {"scorer": {"replicas": 3}, "autoscaling": None}


@pytest.fixture(scope="module")
def busy(bed: Bed) -> Bed:
    """A detector with an autoscaler from its first day."""
    bed.publish(NAME, "v1")
    bed.apply(NAME, AUTOSCALED)
    bed.wait_ready(NAME)
    return bed


def uids(bed: Bed) -> set[str]:
    return {pod["metadata"]["uid"] for pod in bed.pods(NAME)}


def scaler(bed: Bed) -> Any:
    """The HPA; {} where there is none."""
    found = bed.get("hpa", f"--selector=fraudops.io/detector={NAME}")
    return found[0] if found else {}


def replicas(bed: Bed) -> int:
    return int(bed.get("deployment", f"{NAME}-scorer")["spec"]["replicas"])


def rescales(bed: Bed) -> list[str]:
    """What the autoscaler did and why, in its own words."""
    found = bed.get(
        "events", "--field-selector=reason=SuccessfulRescale", "--sort-by=.lastTimestamp"
    )
    return [one["message"] for one in found if one["involvedObject"]["name"] == f"{NAME}-scorer"]


def test_cpu_load_adds_pods_and_its_end_takes_them_away(busy: Bed) -> None:
    assert replicas(busy) == 2, "from its first day it has the autoscaler's least"
    before = uids(busy)
    wait_for(
        "the autoscaler has figures",
        lambda: scaler(busy).get("status", {}).get("currentMetrics"),
        seconds=120,
    )
    with under_load(busy, NAME, threads=4, pause=0.0) as load:
        wait_for("a third pod answers", lambda: ready(busy) == 3, seconds=180)
        assert before < uids(busy), "pods were added, not replaced"
    assert load.failed == ()
    assert load.answered > 1000

    with under_load(busy, NAME, threads=1, pause=0.2) as lull:
        wait_for("the third pod is gone", lambda: len(busy.pods(NAME)) == 2, seconds=240)
    assert lull.failed == ()
    assert busy.condition(NAME, "Ready")["status"] == "True"
    up, down = rescales(busy)[0], rescales(busy)[-1]
    assert "New size: 3" in up
    assert "cpu resource utilization" in up
    assert "New size: 2" in down
    say("autoscaling by real CPU load", [up, down, f"{load.answered:,} answers, none failed"])


def test_replicas_change_hands_under_load_and_no_pod_is_lost(busy: Bed) -> None:
    with under_load(busy, NAME, pause=0.1) as load:
        before = uids(busy)
        busy.apply(NAME, FIXED)
        wait_for("the autoscaler is gone", lambda: not scaler(busy))
        wait_for("three pods answer", lambda: ready(busy) == 3)
        fixed = uids(busy)
        assert before < fixed, "a pod was lost on disabling"

        busy.apply(NAME, {**AUTOSCALED, "autoscaling": {"minReplicas": 3, "maxReplicas": 4}})
        wait_for("the autoscaler is there", lambda: scaler(busy))
        busy.wait_ready(NAME)
        wait_for(
            "it looked at the pods", lambda: scaler(busy).get("status", {}).get("currentReplicas")
        )
        assert uids(busy) == fixed, "a pod was lost on enabling"
        assert replicas(busy) == 3
    assert load.failed == ()
    assert load.answered > 50
    say(
        "hand-over of replicas", [f"{load.answered:,} answers under way, no pod and no answer lost"]
    )


def ready(bed: Bed) -> int:
    return int(bed.get("deployment", f"{NAME}-scorer").get("status", {}).get("readyReplicas", 0))
