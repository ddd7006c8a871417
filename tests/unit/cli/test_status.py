"""`kubectl fraud status`: what is drawn of a detector in memory, and which exit status it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fraud_operator.cli.children import parts
from fraud_operator.cli.exits import Exit
from fraud_operator.cli.fraud_status import summary, verdict
from fraud_operator.cli.look import look
from fraud_operator.cli.status_tree import _pods, tree
from fraud_operator.cli.terminal import Style, Tree
from fraud_operator.observe.projection import whole
from fraud_operator.observe.store import ObjectStore
from fraud_operator.runtime import kinds
from fraud_operator.runtime.kube import Object
from tests.support.dry_run import DryRuns
from tests.support.kube import FakeKube, refusal
from tests.support.world import KEY, NAME, NAMESPACE, SCORER, World, detector, version


async def drawn(world: World) -> str:
    seen = await look(DryRuns(world.kube), KEY)
    assert seen.detector is not None
    return "\n".join(tree(summary(KEY, seen.detector, seen), Style()).lines())


async def test_all_of_a_detector_is_drawn() -> None:
    world = World()
    world.kube.put(detector())
    await world.settle()
    text = await drawn(world)
    assert text.startswith(f"FraudDetector {NAMESPACE}/{NAME}  Ready (Serving)")
    for line in (
        "active  v1  sha256:7631",
        "in the store: v1",
        "CPU 500m (limit none), memory 1Gi (limit 1Gi)",
        "1,000,000 transactions a day, 100 a second",
        "review 0.5, decline 0.9",
        f"http://{SCORER}.{NAMESPACE}.svc/v1/score",
        f"✓ Deployment/{SCORER}",
        "2/2 ready, 2/2 up to date",
        f"· ConfigMap/{NAME}-model-plan",
        "Ready                True   Serving",
        "Version v1 answers.",
    ):
        assert line in text


async def test_a_candidate_and_what_was_refused_are_drawn() -> None:
    world = World()
    world.kube.put(detector())
    await world.settle()
    world.refused["v2"] = "DigestMismatch"
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    text = await drawn(world)
    assert "quarantined  v2" in text
    assert "DigestMismatch since 2026-01-01T" in text
    assert "v2/model.fdm" in text
    assert "2 of 2 pods follow plan 1" in text


async def test_a_candidate_on_trial_a_verification_and_a_request_are_drawn() -> None:
    world = World()
    canary = {"strategy": "Canary", "canary": {"steps": [10, 50]}}
    spec = detector()["spec"]
    spec["model"]["rollout"] = canary
    world.kube.put(detector(model=spec["model"]))
    await world.settle()
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    text = words(await drawn(world))
    assert "candidate v2" in text
    assert "Canary since 2026-01-01T" in text
    assert "step 1 of 2, 10 % of all transactions" in text

    world.never_ends = {"v3"}
    world.publish(version("v3", day=3), version("v2", day=2), version("v1"))
    await world.settle()
    text = words(await drawn(world))
    assert "verifying v3" in text
    assert "verifies version v3: under way" in text

    def ask(obj: dict[str, Any]) -> None:
        text = json.dumps({"id": "1", "action": "abort", "by": "alice"})
        obj["metadata"]["annotations"] = {"fraudops.io/request": text}

    world.edit(kinds.FRAUD_DETECTOR, NAME, ask, "kubectl-fraud")
    await world.settle()
    text = words(await drawn(world))
    assert "last request: abort, done:" in text
    assert "version v2 is held back by alice" in text


def words(text: str) -> str:
    """Without what only aligns it."""
    return " ".join(text.split())


async def test_a_detector_that_nobody_has_seen_says_so() -> None:
    world = World()
    world.queue.take = lambda: None  # type: ignore[method-assign]
    world.kube.put(detector())
    text = await drawn(world)
    assert "the operator has not seen it yet: is it running? kubectl fraud doctor" in text
    assert text.count("none yet") == 2


async def test_a_change_that_nobody_has_seen_says_so() -> None:
    world = World()
    world.kube.put(detector())
    await world.settle()
    world.queue.take = lambda: None  # type: ignore[method-assign]
    world.change(scorer={"replicas": 9})
    text = await drawn(world)
    assert "has not seen the latest change of the spec yet" in text
    assert "Serving  (of an older spec)" in text


async def test_what_may_not_be_read_is_named() -> None:
    class Forbidden(FakeKube):
        async def list(self, kind: kinds.Kind, *_: Any, **__: Any) -> tuple[list[Object], str]:
            if kind == kinds.POD:
                raise refusal(403, "Forbidden")
            return [], "1"

    kube = Forbidden()
    kube.put(detector())
    seen = await look(kube, KEY)
    assert seen.unseen == {"Pod": "injected Forbidden"}
    assert seen.detector is not None
    text = "\n".join(tree(summary(KEY, seen.detector, seen), Style()).lines())
    assert "Pod: cannot be read: injected Forbidden" in text


def test_of_a_large_fleet_those_with_trouble_are_drawn() -> None:
    fleet = [
        {"kind": "Pod", "name": f"pod-{number:03}", "ready": number != 77, "message": ""}
        for number in range(100)
    ]
    branch = Tree("Deployment")
    _pods(branch, fleet, Style())
    assert branch.branches[0].text == "✗ Pod/pod-077"
    assert branch.branches[-1].text == "88 more pods, 88 of them ready"
    assert len(branch.branches) == 13


def condition(type_: str, status: str, *, current: bool = True) -> dict[str, Any]:
    return {"type": type_, "status": status, "current": current}


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ([condition("Ready", "True")], Exit.OK),
        ([condition("Ready", "True"), condition("Contended", "True")], Exit.OK),
        ([condition("Ready", "True", current=False)], Exit.NOT_READY),
        ([condition("Ready", "Unknown")], Exit.NOT_READY),
        ([condition("Ready", "False"), condition("Stalled", "False")], Exit.NOT_READY),
        ([condition("Ready", "False"), condition("Stalled", "True")], Exit.STALLED),
        ([condition("Stalled", "True", current=False)], Exit.NOT_READY),
        ([], Exit.NOT_READY),
    ],
)
def test_the_exit_status_is_that_of_the_spec_as_it_is(
    conditions: list[dict[str, Any]], code: Exit
) -> None:
    assert verdict({"conditions": conditions}) == code


def child(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[Any, Object]:
    obj = {"metadata": {"name": "a", "generation": 2}, "spec": spec, "status": status}
    return {(kind, "a"): obj}


METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 70}}}
USED = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 20}}}
ACTIVE = {"type": "ScalingActive", "status": "True"}
BLIND = {"type": "ScalingActive", "status": "False", "message": "no metrics"}


@pytest.mark.parametrize(
    ("children", "ready", "said"),
    [
        (
            child("Deployment", {"replicas": 2}, {"replicas": 3, "updatedReplicas": 1}),
            False,
            "0/2 ready, 1/2 up to date, 2 of before still there, not yet seen by the Deployment"
            " controller",
        ),
        (
            child(
                "Deployment",
                {"replicas": 1},
                {
                    "replicas": 1,
                    "updatedReplicas": 1,
                    "readyReplicas": 1,
                    "observedGeneration": 2,
                },
            ),
            True,
            "1/1 ready, 1/1 up to date",
        ),
        (
            child(
                "HorizontalPodAutoscaler",
                {"minReplicas": 2, "maxReplicas": 5, "metrics": [METRIC]},
                {"desiredReplicas": 3, "currentMetrics": [USED], "conditions": [ACTIVE]},
            ),
            True,
            "2..5 pods, wants 3, cpu 20% of 70%",
        ),
        (
            child(
                "HorizontalPodAutoscaler",
                {"minReplicas": 2, "maxReplicas": 5, "metrics": [METRIC]},
                {"conditions": [BLIND]},
            ),
            False,
            "2..5 pods, wants 0; cpu unknown of 70%. no metrics",
        ),
        (
            child(
                "PodDisruptionBudget",
                {"maxUnavailable": "10%"},
                {"currentHealthy": 1, "desiredHealthy": 2},
            ),
            False,
            "10% may be missing, a drain may take 0 now (1 healthy)",
        ),
        (
            child("Service", {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}, {}),
            None,
            "10.0.0.1 port 80",
        ),
        (child("ServiceAccount", {}, {}), None, ""),
    ],
)
def test_a_child_says_how_it_is(children: dict[Any, Object], ready: bool | None, said: str) -> None:
    (found,) = parts(children, [])
    assert (found.ready, found.message) == (ready, said)


@pytest.mark.parametrize(("ended", "shown"), [("Complete", 0), ("Failed", 1)])
def test_the_pods_of_a_job_are_shown_unless_it_is_done(ended: str, shown: int) -> None:
    job = child("Job", {}, {"conditions": [{"type": ended, "status": "True"}]})
    ((_, name),) = job
    pod = {
        "metadata": {"name": "judge", "ownerReferences": [{"kind": "Job", "name": name}]},
        "status": {"phase": "Succeeded"},
    }
    (found,) = parts(job, [pod])
    assert len(found.pods) == shown


def test_a_pod_says_what_hinders_it() -> None:
    store = ObjectStore(keep=whole)
    pod = {
        "metadata": {
            "name": "a",
            "namespace": NAMESPACE,
            "labels": {"fraudops.io/detector": NAME},
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "containerStatuses": [
                {
                    "name": "scorer",
                    "restartCount": 1,
                    "state": {"waiting": {"reason": "ImagePullBackOff"}},
                }
            ]
        },
    }
    store.put(kinds.POD, pod)
    (found,) = parts({}, store.pods(KEY))
    assert found.ready is False
    assert found.message == ("its image cannot be pulled, on node-1, 1 restart")
