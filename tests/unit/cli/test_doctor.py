"""Every check of `kubectl fraud doctor`, on facts that pass it and facts that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fraud_operator.api.crd import RESOURCES, crd
from fraud_operator.cli import fraud_doctor
from fraud_operator.cli.doctor.check import Check, Denied
from fraud_operator.cli.doctor.facts import ClusterFacts, DetectorFacts
from fraud_operator.cli.doctor.registry import DETECTOR_CHECKS, GROUPS, examine
from fraud_operator.cli.doctor.rights import Right, Rights
from fraud_operator.cli.installation import Installation
from fraud_operator.cli.terminal import Style
from fraud_operator.install import objects
from fraud_operator.observe.store import Key
from fraud_operator.runtime.kube import Object
from tests.support.world import NAME, NAMESPACE, SCORER, detector

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
DENIED = Denied("may not")
ZONES = {"node-1": "a", "node-2": "b", "node-3": "a"}


def condition(type_: str, status: str, reason: str = "Why", message: str = "What.") -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def pod(node: str) -> Object:
    return {"metadata": {"name": f"pod-{node}"}, "spec": {"nodeName": node}}


def budget(**status: int) -> dict[tuple[str, str], Object]:
    obj = {"metadata": {"name": SCORER}, "spec": {"maxUnavailable": "10%"}, "status": status}
    return {("PodDisruptionBudget", SCORER): obj}


def autoscaler(*conditions: Object, wanted: int = 3) -> dict[tuple[str, str], Object]:
    obj = {
        "metadata": {"name": SCORER},
        "spec": {"minReplicas": 2, "maxReplicas": 5},
        "status": {"desiredReplicas": wanted, "conditions": list(conditions)},
    }
    return {("HorizontalPodAutoscaler", SCORER): obj}


def facts_of(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **changes: Any
) -> DetectorFacts:
    obj = detector(**(spec or {}))
    obj["metadata"]["generation"] = 1
    obj["status"] = {
        "observedGeneration": 1,
        "conditions": [condition("Ready", "True", message="Version v1 answers.")],
        **(status or {}),
    }
    facts = DetectorFacts(
        key=Key(NAMESPACE, NAME),
        obj=obj,
        children={},
        pods=(),
        unseen={},
        zones=ZONES,
        server_time=NOW,
    )
    return replace(facts, **changes)


def operator(**status: int) -> Installation:
    options = objects.Options(namespace="fraudops-system", image="i", scorer_image="s")
    return Installation(objects.deployment(options) | {"status": status})


def lease(holder: str = "operator-1", renewed: str = "2026-01-01T11:59:55.000000Z") -> Object:
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 10}
    return {"metadata": {"name": "fraud-operator"}, "spec": spec}


def definition(**changes: Any) -> dict[str, Object]:
    made = crd(RESOURCES[0])
    accepted = [condition("Established", "True"), condition("NamesAccepted", "True")]
    return {made["metadata"]["name"]: {**made, "status": {"conditions": accepted}, **changes}}


CLUSTER = ClusterFacts(
    version={"gitVersion": "v1.36.3"},
    groups=frozenset({"fraudops.io", "cert-manager.io", "monitoring.coreos.com"}),
    metrics_service=None,
    metrics_answer="",
    storage_classes=[
        {
            "metadata": {
                "name": "fast",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            }
        }
    ],
    ingress_classes=[{"metadata": {"name": "nginx"}}],
    crds=definition(),
    operator_namespace="fraudops-system",
    operator=operator(availableReplicas=2),
    lease=lease(),
    server_time=NOW,
    operator_rights=Rights("operator", 44, ()),
    user_rights=Rights("you", 30, ()),
    zones=ZONES,
    detectors=[],
)
UNAVAILABLE = {"status": {"conditions": [condition("Available", "False", message="no endpoints")]}}
SCALED = facts_of({"scorer": {}, "autoscaling": {}})
OTHER_SCHEMA = crd(RESOURCES[0])
OTHER_SCHEMA["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["new"] = {"type": "string"}  # noqa: E501 # fmt: skip
RIGHT = Right("get", "", "secrets", "", "")
CLASS = {"metadata": {"name": "slow", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}  # noqa: E501 # fmt: skip


def by_id(checks: tuple[Check[Any], ...]) -> dict[str, Callable[[Any], Any]]:
    return {check.id: check.run for check in checks}


@pytest.mark.parametrize(
    ("check", "changes", "level", "said"),
    [
        ("cluster.version", {}, "ok", "v1.36.3"),
        ("cluster.version", {"version": {"gitVersion": "v1.25.0+k3s1"}}, "ok", "v1.25.0+k3s1"),
        ("cluster.version", {"version": {"gitVersion": "v1.24.17"}}, "fail", "upgrade the cluster"),
        ("cluster.version", {"version": {}}, "warn", "1.25 or later"),
        ("cluster.nodes", {}, "ok", "3 nodes in 2 zones"),
        ("cluster.nodes", {"zones": {"a": "", "b": ""}}, "warn", "all in one zone or in none"),
        ("cluster.nodes", {"zones": {"a": ""}}, "warn", "when it goes, everything goes"),
        ("cluster.nodes", {"zones": {}}, "fail", "there is no node"),
        ("cluster.nodes", {"zones": DENIED}, "skip", "ask an administrator"),
        ("cluster.metrics", {}, "ok", "answers"),
        ("cluster.metrics", {"metrics_answer": "gone"}, "warn", "gone; no detector here"),
        (
            "cluster.metrics",
            {"metrics_answer": "gone", "metrics_service": UNAVAILABLE, "detectors": [SCALED]},
            "fail",
            f"no endpoints; {NAMESPACE}/{NAME} cannot be scaled by load",
        ),
        ("cluster.storage-class", {}, "ok", "fast is the default"),
        ("cluster.storage-class", {"storage_classes": []}, "warn", "kubectl annotate storageclass"),
        (
            "cluster.storage-class",
            {"storage_classes": [*(CLUSTER.storage_classes or ()), CLASS]},
            "warn",
            "2 StorageClasses",
        ),
        ("cluster.storage-class", {"storage_classes": DENIED}, "skip", "may not read"),
        ("cluster.ingress-class", {}, "ok", "nginx"),
        ("cluster.ingress-class", {"ingress_classes": []}, "skip", "inside of the cluster only"),
        ("cluster.cert-manager", {}, "ok", "cert-manager.io is served"),
        ("cluster.cert-manager", {"groups": frozenset()}, "skip", "is not installed"),
        ("cluster.prometheus", {"groups": frozenset()}, "skip", "is not installed"),
        ("installation.crds", {}, "ok", "as in this build"),
        ("installation.crds", {"crds": {next(iter(CLUSTER.crds)): None}}, "fail", "not installed"),
        (
            "installation.crds",
            {"crds": {next(iter(CLUSTER.crds)): DENIED}},
            "skip",
            "(it is served)",
        ),
        (
            "installation.crds",
            {"crds": definition(spec=OTHER_SCHEMA["spec"])},
            "warn",
            "only the cluster's knows spec.new",
        ),
        ("installation.crds", {"crds": definition(status={})}, "fail", "is not Established"),
        ("installation.operator", {}, "ok", "2 of 2 pods are available"),
        ("installation.operator", {"operator": operator()}, "fail", "kubectl -n fraudops-system"),
        (
            "installation.operator",
            {"operator": operator(availableReplicas=1)},
            "warn",
            "1 of 2 pods are available",
        ),
        ("installation.operator", {"operator": None}, "warn", "an operator runs elsewhere"),
        ("installation.operator", {"operator": None, "lease": None}, "fail", "install"),
        ("installation.operator", {"operator": DENIED}, "skip", "may not read"),
        ("installation.lease", {}, "ok", "operator-1 leads"),
        ("installation.lease", {"lease": None}, "fail", "no operator has ever led"),
        ("installation.lease", {"lease": lease("")}, "fail", "nobody holds the Lease"),
        (
            "installation.lease",
            {"lease": lease(renewed="2026-01-01T11:59:00.000000Z")},
            "fail",
            "has not renewed the Lease for 60 seconds",
        ),
        ("permissions.operator", {}, "ok", "all 44 rights"),
        ("permissions.operator", {"operator_rights": None}, "skip", "no operator"),
        (
            "permissions.operator",
            {"operator_rights": Rights("operator", 44, [RIGHT])},
            "fail",
            "operator may not get secrets in all namespaces",
        ),
        (
            "permissions.operator",
            {"operator_rights": Rights("operator", 0, (), "may not")},
            "skip",
            "SubjectAccessReview",
        ),
        ("permissions.user", {}, "ok", "all that kubectl fraud asks for"),
        (
            "permissions.user",
            {"user_rights": Rights("you", 30, [RIGHT])},
            "warn",
            "kubectl fraud plan says what it could not check",
        ),
        (
            "permissions.user",
            {"user_rights": Rights("you", 30, [replace(RIGHT, verb="list", resource="pods")])},
            "warn",
            "shows less than there is",
        ),
    ],
)  # fmt: skip
def test_a_check_of_the_cluster(check: str, changes: dict[str, Any], level: str, said: str) -> None:
    run = by_id(tuple(one for _, checks in GROUPS for one in checks))[check]
    found = run(replace(CLUSTER, **changes))
    assert found.level == level, found
    assert said in f"{found.message} {found.todo}"


ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}
KEYS = {"model": {"source": {"s3": {"bucket": "models", "credentialsSecret": "keys"}}}}
GOOGLE: dict[str, Any] = {"model": {"source": {"gcs": {"bucket": "models"}}}}
VOLUME: dict[str, Any] = {"model": {"source": {"pvc": {"claimName": "models"}}}}
BACKED_UP = {"backup": {"destination": {"s3": {"bucket": "b", "credentialsSecret": "other"}}}}
WORKS = (condition("AbleToScale", "True"), condition("ScalingActive", "True"))


@pytest.mark.parametrize(
    ("check", "facts", "level", "said"),
    [
        ("detector.spec", facts_of(), "ok", "valid"),
        ("detector.spec", facts_of({"bogus": 1}), "fail", "spec.bogus"),
        ("detector.ready", facts_of(), "ok", "Version v1 answers."),
        ("detector.ready", facts_of(status={"observedGeneration": 0}), "fail", "has not seen"),
        (
            "detector.ready",
            facts_of(status={"conditions": [condition("Stalled", "True", "NoModel", "Publish.")]}),
            "fail",
            "NoModel: Publish.",
        ),
        (
            "detector.ready",
            facts_of(status={"conditions": [condition("Ready", "Unknown", "Progressing")]}),
            "warn",
            "Progressing",
        ),
        (
            "detector.ready",
            facts_of({"suspend": True}, {"conditions": [condition("Ready", "Unknown")]}),
            "warn",
            "spec.suspend",
        ),
        ("detector.contended", facts_of(), "ok", "nobody else"),
        (
            "detector.contended",
            facts_of(status={"conditions": [condition("Contended", "True", "C", "alice")]}),
            "fail",
            "alice",
        ),
        ("detector.replicas", facts_of(), "ok", "at least 2 pods"),
        (
            "detector.replicas",
            facts_of({"scorer": {}, "autoscaling": {"minReplicas": 1}}),
            "warn",
            "set spec.autoscaling.minReplicas to 2 or more",
        ),
        ("detector.replicas", facts_of({"scorer": {"replicas": 0}}), "fail", "nothing answers"),
        ("detector.replicas", facts_of({"bogus": 1}), "skip", "see Spec"),
        (
            "detector.disruption",
            facts_of(children=budget(expectedPods=2, disruptionsAllowed=1)),
            "ok",
            "10%",
        ),
        (
            "detector.disruption",
            facts_of(children=budget(expectedPods=2, currentHealthy=1)),
            "warn",
            "1 of 2 healthy",
        ),
        ("detector.disruption", facts_of(), "fail", "no PodDisruptionBudget"),
        (
            "detector.disruption",
            facts_of(unseen={"PodDisruptionBudget": "may not"}),
            "skip",
            "may not",
        ),
        ("detector.spread", facts_of(pods=[pod("node-1"), pod("node-2")]), "ok", "in 2 zones"),
        ("detector.spread", facts_of(pods=[pod("node-1")]), "warn", "all pods are on node node-1"),
        (
            "detector.spread",
            facts_of(pods=[pod("node-1"), pod("node-3")]),
            "warn",
            "all in one of 2 zones",
        ),
        (
            "detector.spread",
            facts_of(pods=[pod("node-1"), pod("node-2")], zones=DENIED),
            "ok",
            "may not read their zones",
        ),
        ("detector.spread", facts_of(), "skip", "no pod is on a node"),
        ("detector.resources", facts_of(), "warn", "spec.capacity.transactionsPerDay"),
        (
            "detector.resources",
            facts_of({"capacity": {"transactionsPerDay": "10M"}}),
            "ok",
            "sized for 10M",
        ),
        (
            "detector.resources",
            facts_of({"scorer": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}}),
            "ok",
            "CPU 1 and memory 1Gi",
        ),
        (
            "detector.image",
            facts_of(status={"effective": {"scorer": {"image": "a/b:1"}}}),
            "warn",
            "name@sha256:",
        ),
        (
            "detector.image",
            facts_of(status={"effective": {"scorer": {"image": "a/b@sha256:0"}}}),
            "ok",
            "a/b@sha256:0",
        ),
        ("detector.image", facts_of(), "skip", "no image was chosen yet"),
        ("detector.model", facts_of(), "warn", "there is none to go back to"),
        (
            "detector.model",
            facts_of(status={"model": {"lastKnownGood": {"version": "v1"}}}),
            "ok",
            "version v1 is there to go back to",
        ),
        ("detector.model", facts_of({"model": {"version": "v3"}}), "ok", "pinned to version v3"),
        ("detector.verified", facts_of(), "ok", "can be read"),
        (
            "detector.verified",
            facts_of(status={"conditions": [condition("ModelVerified", "False", "Damaged")]}),
            "warn",
            "Damaged",
        ),
        ("detector.credentials", facts_of(KEYS), "warn", "Secret keys holds keys"),
        (
            "detector.credentials",
            facts_of({"scorer": {"serviceAccountAnnotations": ROLE}}),
            "ok",
            "short-lived",
        ),
        ("detector.credentials", facts_of(), "fail", "the store of spec.model.source"),
        ("detector.credentials", facts_of(GOOGLE), "fail", "iam.gke.io/gcp-service-account in"),
        ("detector.credentials", facts_of(VOLUME), "skip", "a volume has no keys"),
        (
            "detector.credentials",
            facts_of({**VOLUME, "model": {**VOLUME["model"], **BACKED_UP}}),
            "warn",
            "Secret other holds keys",
        ),
        (
            "detector.credentials",
            facts_of({**VOLUME, "audit": BACKED_UP["backup"]}),
            "warn",
            "Secret other holds keys",
        ),
        (
            "detector.model",
            facts_of({"scoring": {"whenUnavailable": "Review"}}),
            "ok",
            "answered with Review",
        ),
        ("detector.rollout", facts_of(), "warn", "answers everything at once"),
        (
            "detector.rollout",
            facts_of({"model": {"rollout": {"strategy": "Canary"}}}),
            "ok",
            "comes by Canary",
        ),
        ("detector.signed", facts_of(), "warn", "can publish a version"),
        (
            "detector.signed",
            facts_of({"model": {"verification": {"signature": {"publicKeySecret": {}}}}}),
            "ok",
            "must be signed",
        ),
        ("detector.backup", facts_of(), "warn", "in one place only"),
        (
            "detector.backup",
            facts_of(
                {"model": BACKED_UP},
                {"conditions": [condition("ModelBackedUp", "True", "BackedUp", "3 versions")]},
            ),
            "ok",
            "3 versions",
        ),
        (
            "detector.backup",
            facts_of(
                {"model": BACKED_UP},
                {"conditions": [condition("ModelBackedUp", "False", "BytesLost", "gone")]},
            ),
            "fail",
            "BytesLost: gone",
        ),
        ("detector.backup", facts_of({"model": BACKED_UP}), "warn", "cronjobs"),
        ("detector.autoscaler", facts_of(), "skip", "is fixed"),
        ("detector.autoscaler", SCALED, "fail", "there is no HorizontalPodAutoscaler"),
        ("detector.autoscaler", replace(SCALED, children=autoscaler(*WORKS)), "ok", "2 to 5 pods"),
        (
            "detector.autoscaler",
            replace(SCALED, children=autoscaler(*WORKS, wanted=5)),
            "warn",
            "raise spec.autoscaling.maxReplicas",
        ),
        (
            "detector.autoscaler",
            replace(
                SCALED,
                children=autoscaler(
                    WORKS[0], condition("ScalingActive", "False", message="no figures")
                ),
            ),
            "fail",
            "ScalingActive: no figures",
        ),
        ("detector.upgrade", facts_of(), "ok", "as the operator makes them"),
        (
            "detector.upgrade",
            facts_of(status={"conditions": [condition("UpgradeAvailable", "True", "N", "newer")]}),
            "warn",
            "newer",
        ),
    ],
)  # fmt: skip
def test_a_check_of_a_detector(check: str, facts: DetectorFacts, level: str, said: str) -> None:
    found = by_id(DETECTOR_CHECKS)[check](facts)
    assert found.level == level, found
    assert said in f"{found.message} {found.todo}"


def test_every_check_has_an_id_of_its_own_and_is_tested() -> None:
    ids = [one.id for _, checks in GROUPS for one in checks] + [one.id for one in DETECTOR_CHECKS]
    assert len(set(ids)) == len(ids)
    tested = {
        case[0]
        for test in (test_a_check_of_the_cluster, test_a_check_of_a_detector)
        for case in test.pytestmark[0].args[1]
    }
    assert tested == set(ids)


def test_what_is_not_ok_always_says_what_to_do() -> None:
    facts = replace(CLUSTER, detectors=[facts_of(), SCALED], groups=frozenset())
    for item in examine(facts):
        assert item.finding.todo or item.finding.level == "ok", item


def test_a_user_who_may_not_list_detectors_is_told() -> None:
    (item,) = [one for one in examine(replace(CLUSTER, detectors=DENIED)) if "list" in one.check]
    assert item.finding.level == "skip"


def test_json_has_every_item_and_a_summary() -> None:
    items = list(examine(replace(CLUSTER, detectors=[facts_of()])))
    found = json.loads(json.dumps(fraud_doctor.as_json(items)))
    assert sum(found["summary"].values()) == len(found["items"]) == len(items)
    assert found["items"][-1]["detector"] == f"{NAMESPACE}/{NAME}"
    assert set(found["items"][0]) == {"check", "title", "detector", "level", "message", "todo"}


def test_text_has_a_heading_a_group_and_what_to_do_below_each_item() -> None:
    items = list(examine(replace(CLUSTER, zones={})))
    text = "\n".join(fraud_doctor.lines(items, Style()))
    assert text.startswith("Cluster\n  ok    Kubernetes")
    assert "fail  Nodes" in text
    assert "→ use two nodes or more" in text
    assert text.endswith("11 ok, 0 warn, 1 fail, 0 skip")
