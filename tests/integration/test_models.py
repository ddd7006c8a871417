"""Models as data, on a real API server: found, verified, pushed, compared, withdrawn.

No pod restarts for any of it. Pods and verdicts are stand-ins (tests.support.virtual_node), and the
operator pushes to them as it does to pods.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.report import LATENCY_EDGES, SCORE_BINS, Counts
from tests.support.bucket import Bucket
from tests.support.fraud_cli import fraud_cli
from tests.support.process import Installation, Operator, wait_for
from tests.support.rough_api import rough_api
from tests.support.virtual_node import VirtualNode

SOON = {"syncInterval": "1s"}


def publish(node: VirtualNode, bucket: Bucket, version: str, day: int = 1) -> Manifest:
    return bucket.publish(prefix(node), version, day=day)


def prefix(node: VirtualNode) -> str:
    return f"{node.at.namespace}/"


def detector(node: VirtualNode, bucket: Bucket, **model: Any) -> dict[str, Any]:
    found = bucket.detector()
    found["spec"]["model"].update(SOON, **model)
    found["spec"]["model"]["source"]["s3"]["prefix"] = prefix(node)
    return found


def model_of(at: Installation) -> dict[str, Any]:
    found = at.get("frauddetector", "cards") or {}
    return dict(found.get("status", {}).get("model") or {})


def active(at: Installation) -> str:
    return str(model_of(at).get("activeVersion", ""))


def uids(at: Installation) -> set[str]:
    text = at.kubectl("get", "pods", "-l", "app.kubernetes.io/name=fraud-scorer", "-o", "json")
    return {one["metadata"]["uid"] for one in json.loads(text)["items"]}


def answered(node: VirtualNode) -> list[list[str]]:
    return [pod.answered_by for pod in node.pods.values()]


@pytest.fixture
def serving(
    node: VirtualNode, installation: Installation, operator: Operator, bucket: Bucket
) -> VirtualNode:
    """A detector with two pods that serve v1."""
    publish(node, bucket, "v1")
    installation.apply(detector(node, bucket))
    installation.kubectl("wait", "frauddetector/cards", "--for=condition=Ready", "--timeout=90s")
    wait_for("both pods serve v1", lambda: answered(node) == [["v1"], ["v1"]])
    return node


def test_a_version_is_verified_before_any_pod_hears_of_it_and_no_pod_restarts(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    assert active(at) == "v1"
    assert serving.verified == ["v1"]
    before = uids(at)
    publish(serving, bucket, "v2", day=2)
    wait_for("v2 answers in both pods", lambda: answered(serving) == [["v1", "v2"]] * 2)
    wait_for("status says so", lambda: active(at) == "v2")
    assert serving.verified == ["v1", "v2"]
    assert model_of(at)["lastKnownGood"]["version"] == "v1"
    assert uids(at) == before
    wait_for("its Jobs have ended", lambda: ended_jobs(at) == 2)


def ended_jobs(at: Installation) -> int:
    """How many are left to the cluster, which removes them after an hour."""
    found = json.loads(at.kubectl("get", "jobs", "--output=json"))["items"]
    assert all(one["spec"]["ttlSecondsAfterFinished"] == 3600 for one in found)
    return sum("completionTime" in one["status"] for one in found)


def canary(**more: Any) -> dict[str, Any]:
    return {"rollout": {"strategy": "Canary", "canary": {"stepDuration": "1s", **more}}}


def counts(requests: int, *, errors: int = 0) -> Counts:
    """All approved, with a score of 0.11."""
    scores = [0] * SCORE_BINS
    scores[5] = requests - errors
    latencies = [0] * (len(LATENCY_EDGES) + 1)
    latencies[2] = requests
    return Counts(
        requests=requests,
        errors=errors,
        approve=requests - errors,
        scores=tuple(scores),
        latencies=tuple(latencies),
    )


def on_trial(node: VirtualNode) -> int:
    """The candidate's share in ten thousandths, by the pod that is furthest behind; -1: none."""
    plans = [pod.plan for pod in node.pods.values()]
    shares = [one.candidate.share if one and one.candidate else -1 for one in plans]
    return min(shares, default=-1)


def quarantined(at: Installation) -> dict[str, str]:
    return {one["version"]: one["reason"] for one in model_of(at).get("quarantined") or ()}


def plan_of(at: Installation) -> ModelPlan:
    found = at.get("configmap", "cards-model-plan")
    assert found is not None
    return model_plans.decode(found["data"]["plan.json"])


def serving_pods(at: Installation) -> set[str]:
    """The pods that the Service finds."""
    service = at.get("service", "cards-scorer")
    assert service is not None
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    text = at.kubectl("get", "pods", "-l", selector, "-o", "json")
    return {one["metadata"]["name"] for one in json.loads(text)["items"]}


def test_a_refused_version_is_quarantined_and_reaches_no_pod(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    serving.verdicts["v2"] = "GoldenMismatch"
    manifest = publish(serving, bucket, "v2", day=2)
    wait_for("v2 is quarantined", lambda: quarantined(at) == {"v2": "GoldenMismatch"})
    assert answered(serving) == [["v1"], ["v1"]]
    assert not any(pod.plan and "v2" in names(pod.plan) for pod in serving.pods.values())
    digest = manifest.digest.removeprefix("sha256:")
    key = f"{prefix(serving)}.quarantine/{digest}-v2.json"
    wait_for("the store's ledger has it", lambda: bucket.has(key))
    wait_for("its Job has ended", lambda: ended_jobs(at) == 2)
    at.kubectl("annotate", "frauddetector/cards", "look=again")
    assert serving.verified == ["v1", "v2"], "never tried again"


def test_a_version_with_other_inputs_waits_until_callers_were_changed(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    serving.verdicts["v2"] = "InputsChanged"
    publish(serving, bucket, "v2", day=2)
    wait_for("v2 is quarantined", lambda: quarantined(at) == {"v2": "InputsChanged"})
    assert [one["scope"] for one in model_of(at)["quarantined"]] == ["Publication"]
    allowed = {"spec": {"model": {"verification": {"allowInputChanges": True}}}}
    at.kubectl("patch", "frauddetector/cards", "--type=merge", f"--patch={json.dumps(allowed)}")
    release = ("release", "cards", "v2", "--reason", "callers send it since Monday")
    done = fraud_cli(at.cluster, at.namespace)(*release)
    assert done.code == 0, done.err
    wait_for("v2 is active", lambda: active(at) == "v2")
    assert quarantined(at) == {}


def names(plan: ModelPlan) -> set[str]:
    return {one.version for one in plan.models}


def test_what_pods_refuse_never_answers(serving: VirtualNode, bucket: Bucket) -> None:
    for pod in serving.pods.values():
        pod.refused["v2"] = "LoadFailed"
    publish(serving, bucket, "v2", day=2)
    wait_for("v2 is quarantined", lambda: quarantined(serving.at) == {"v2": "LoadFailed"})
    assert answered(serving) == [["v1"], ["v1"]]
    wait_for("no pod holds it", lambda: on_trial(serving) == -1)


@pytest.mark.parametrize("end", ["Evicted", "OutOfMemory", "StoreUnreachable"])
def test_an_end_without_a_verdict_quarantines_nothing_and_is_tried_again(
    serving: VirtualNode, bucket: Bucket, end: str
) -> None:
    serving.verdicts["v2"] = end
    publish(serving, bucket, "v2", day=2)
    wait_for("it was tried", lambda: "v2" in serving.verified)
    del serving.verdicts["v2"]
    wait_for("v2 answers", lambda: answered(serving) == [["v1", "v2"]] * 2)
    assert serving.verified == ["v1", "v2", "v2"]
    assert quarantined(serving.at) == {}


def test_a_canary_that_does_as_well_is_promoted(serving: VirtualNode, bucket: Bucket) -> None:
    at = serving.at
    at.apply(detector(serving, bucket, **canary(steps=[10, 50], minRequests=100)))
    publish(serving, bucket, "v2", day=2)
    wait_for("a tenth of all transactions", lambda: on_trial(serving) == 1000)
    for pod in serving.pods.values():
        pod.counts.update(v1=counts(900), v2=counts(100))
    wait_for("half of them", lambda: on_trial(serving) == 5000)
    wait_for("v2 answers", lambda: active(at) == "v2")
    assert answered(serving) == [["v1", "v2"]] * 2


def test_a_canary_that_fails_is_withdrawn_from_every_pod(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    at.apply(detector(serving, bucket, **canary(steps=[10], minRequests=100)))
    publish(serving, bucket, "v2", day=2)
    wait_for("a tenth of all transactions", lambda: on_trial(serving) == 1000)
    for pod in serving.pods.values():
        pod.counts.update(v1=counts(900), v2=counts(100, errors=50))
    wait_for("v2 is quarantined", lambda: quarantined(at) == {"v2": "CanaryFailed"})
    wait_for("no pod holds it", lambda: on_trial(serving) == -1)
    assert answered(serving) == [["v1"], ["v1"]]


def test_a_canary_with_too_little_traffic_waits_for_a_person(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    at.apply(detector(serving, bucket, **canary(steps=[10], minRequests=100)))
    publish(serving, bucket, "v2", day=2)
    wait_for("a tenth of all transactions", lambda: on_trial(serving) == 1000)
    wait_for("it answers nobody", lambda: on_trial(serving) == 0)
    assert active(at) == "v1"
    assert quarantined(at) == {}


def test_a_pod_that_does_not_confirm_a_withdrawal_leaves_the_service_until_it_does(
    serving: VirtualNode, bucket: Bucket
) -> None:
    at = serving.at
    publish(serving, bucket, "v2", day=2)
    wait_for("v2 answers", lambda: answered(serving) == [["v1", "v2"]] * 2)
    wait_for("status says so", lambda: active(at) == "v2")
    first, second = sorted(serving.pods)
    assert serving_pods(at) == {first, second}
    serving.pods[second].hangs = True
    ask(at, "rollback")
    wait_for("the first goes back", lambda: serving.pods[first].answered_by == ["v1", "v2", "v1"])
    wait_for("the second is out of the Service", lambda: serving_pods(at) == {first})
    assert uids(at) == {at.get("pod", name)["metadata"]["uid"] for name in (first, second)}  # type: ignore[index]
    serving.pods[second].hangs = False
    wait_for("the second is back", lambda: serving_pods(at) == {first, second})
    assert serving.pods[second].answered_by == ["v1", "v2", "v1"]


def ask(at: Installation, action: str, **more: str) -> None:
    """What `kubectl fraud` writes."""
    text = json.dumps({"id": f"{action}-{len(more)}", "action": action, **more})
    at.kubectl("annotate", "frauddetector/cards", f"fraudops.io/request={text}", "--overwrite")


def test_a_container_that_restarts_is_told_anew(serving: VirtualNode) -> None:
    name, pod = next(iter(serving.pods.items()))
    pod.restart()
    wait_for(f"{name} follows the plan again", lambda: pod.plan is not None)
    assert pod.plan == plan_of(serving.at)


def test_a_pod_that_is_replaced_is_told(serving: VirtualNode) -> None:
    gone = sorted(serving.pods)[0]
    serving.at.kubectl("delete", "pod", gone, "--wait=false")

    def replaced() -> bool:
        found = serving.pods
        return gone not in found and len(found) == 2 and all(p.asked for p in found.values())

    wait_for("another pod follows the plan", replaced)
    plans = {pod.plan for pod in serving.pods.values()}
    assert plans == {plan_of(serving.at)}


def test_nobody_is_asked_while_nothing_happens(serving: VirtualNode, operator: Operator) -> None:
    wait_for("it is idle", lambda: operator.metric("fraud_operator_queue_active") == 0)
    before = operator.metric("fraud_operator_fleet_requests_total")
    polls = operator.metric("fraud_operator_store_polls_total")
    wait_for(
        "five looks at the store",
        lambda: operator.metric("fraud_operator_store_polls_total") >= polls + 5,
    )
    assert operator.metric("fraud_operator_fleet_requests_total") == before


def test_a_management_token_that_was_deleted_is_made_anew_when_a_pod_needs_it(
    serving: VirtualNode,
) -> None:
    at = serving.at
    before = token(at)
    stays, goes = sorted(serving.pods)
    at.kubectl("delete", "secret", "cards-management")
    at.kubectl("delete", "pod", goes, "--wait=false")
    wait_for("another Secret", lambda: at.get("secret", "cards-management"))
    assert token(at) != before

    def told() -> bool:
        return len(serving.pods) == 2 and all(pod.asked for pod in serving.pods.values())

    wait_for("the new pod follows the plan", told)
    # The old one gets the new token when its kubelet gives it to it.
    serving.pods[stays].token = token(at)
    serving.pods[stays].restart()
    wait_for("the old one too", lambda: serving.pods[stays].plan is not None)


def token(at: Installation) -> str:
    secret = at.get("secret", "cards-management")
    assert secret is not None
    return base64.b64decode(secret["data"]["token"]).decode()


def test_a_paused_leader_cannot_bring_back_what_was_withdrawn(
    installation: Installation, node: VirtualNode, bucket: Bucket
) -> None:
    at = installation
    publish(node, bucket, "v1")
    at.apply(bucket.secret())
    with rough_api(at) as (rough, kubeconfig):
        first = at.operator("first", f"--kubeconfig={kubeconfig}")
        with first:
            first.wait_to_lead()
            at.apply(detector(node, bucket))
            wait_for("both pods serve v1", lambda: answered(node) == [["v1"], ["v1"]])

            # Its write that makes v2 active is under way when it is paused.
            rough.holds = makes_active("v2")
            publish(node, bucket, "v2", day=2)
            wait_for("the write is under way", lambda: rough.held)
            first.send(signal.SIGSTOP)
            with at.operator("second") as second:
                second.wait_to_lead()
                wait_for("v2 answers", lambda: answered(node) == [["v1", "v2"]] * 2)
                for pod in node.pods.values():
                    pod.refused["v2"] = "LoadFailed"
                    pod.restart()
                wait_for("v2 is withdrawn", lambda: quarantined(at) == {"v2": "LoadFailed"})
                withdrawn = plan_of(at)
                assert withdrawn.active is not None
                assert withdrawn.active.version == "v1"

                rough.let_go()
                wait_for("the late write is answered", lambda: rough.held[0])
                assert rough.held == [409]
                first.send(signal.SIGCONT)
                wait_for("it knows that it lost the Lease", lambda: said(first, "lost the Lease"))
                assert plan_of(at) == withdrawn
                assert {pod.plan for pod in node.pods.values()} == {withdrawn}


def makes_active(version: str) -> Callable[[str, str, bytes], bool]:
    def holds(method: str, path: str, body: bytes) -> bool:
        if method != "PATCH" or not path.endswith("configmaps/cards-model-plan"):
            return False
        active = model_plans.decode(json.loads(body)["data"]["plan.json"]).active
        return active is not None and active.version == version

    return holds


def said(operator: Operator, message: str) -> bool:
    return any(one.get("message") == message for one in operator.logs())
