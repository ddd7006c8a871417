"""The rights that the operator is installed with: all are used, none is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.install import objects as install
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.release.rules import release_rules
from fraud_operator.plan.release.verifications import key_of
from fraud_operator.plan.verification import verification_name
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import Manifest, encode
from tests.cluster.audit import AuditLog, Entry
from tests.support.bucket import Bucket
from tests.support.process import Installation, wait_for
from tests.support.virtual_node import VirtualNode

Right = tuple[str, str, str]


def granted() -> set[Right]:
    """Group, resource and verb of every rule."""
    options = install.Options(namespace="x", image="-", scorer_image="-")
    rules = [*install.cluster_role()["rules"], *install.lease_role(options)["rules"]]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


ASKED_FOR_ONLY = {("", "secrets", "delete")}
"""What a server asks of whoever gives an object an owner, though nothing is deleted."""


def test_every_right_is_used_and_none_is_missing(
    installation: Installation,
    node: VirtualNode,
    bucket: Bucket,
    audit: AuditLog,
    storage_class: str,
) -> None:
    prefix = f"{installation.namespace}/"
    published = bucket.publish(prefix, "v1")
    detector = bucket.detector(autoscaling={"minReplicas": 2, "maxReplicas": 4})
    del detector["spec"]["scorer"]
    detector["spec"]["model"]["source"]["s3"]["prefix"] = prefix
    as_account = bucket.detector("wires")
    del as_account["spec"]["model"]["source"]["s3"]["credentialsSecret"]
    role = "arn:aws:iam::000000000000:role/models"
    as_account["spec"]["scorer"]["serviceAccountAnnotations"] = {"eks.amazonaws.com/role-arn": role}
    with installation.operator("operator", f"--sts-endpoint={bucket.endpoint}") as operator:
        operator.wait_to_lead()
        taken = [
            bucket.detector(name, autoscaling={}) for name in ("taken", "half-taken", "unproven")
        ]
        for one in taken:
            place = one["spec"]["model"]["source"]["s3"]
            place["prefix"] = prefix
            one["spec"]["model"]["backup"] = {
                "destination": {"s3": {**place, "prefix": f"backup-{one['metadata']['name']}/"}}
            }
            del one["spec"]["scorer"]
        taken[1]["spec"]["redis"] = {"managed": {}}
        postgres = {"managed": {"storage": "1Gi", "storageClass": storage_class}}
        stored = bucket.detector("stored", postgres=postgres)
        stored["spec"]["model"]["source"]["s3"]["prefix"] = prefix
        # Objects that are in the way of these detectors: they are read, and left alone.
        in_the_way = {
            "ConfigMap": "taken-model-plan",
            "Deployment": "half-taken-scorer",
            "StatefulSet": "half-taken-redis",
            "HorizontalPodAutoscaler": "half-taken-scorer",
            "ControllerRevision": "half-taken-1",
            "CronJob": "half-taken-model-backup",
            "Job": job_of(taken[2], published),
        }
        objects(installation, lambda kind: {"name": in_the_way.get(kind, "taken-scorer")})
        installation.apply(bucket.secret(), detector, as_account, stored, *taken)
        installation.kubectl("wait", "fd/cards", "--for=condition=Ready", "--timeout=90s")
        installation.kubectl("wait", "fd/stored", "--for=condition=PostgresReady", "--timeout=90s")
        # A claim that grows, and passwords that are to go with the detector.
        stored["spec"]["postgres"]["managed"] |= {"storage": "2Gi", "retention": "Delete"}
        installation.apply(stored)
        # A withdrawal that one pod does not confirm: it loses its label.
        cards = sorted(name for name in node.pods if name.startswith("cards-"))
        node.pods[cards[0]].hangs = True
        bucket.quarantine(prefix, published)
        found = installation.get("frauddetector", "cards")
        assert found is not None
        leftovers(installation, found["metadata"]["uid"])
        installation.kubectl("annotate", "frauddetector", "cards", "look=again")

        def unused() -> set[Right]:
            used = {right for e in audit.entries(installation.user) for right in of(e)}
            return granted() - used - ASKED_FOR_ONLY

        try:
            wait_for("every right is used", lambda: not unused(), seconds=90)
        except AssertionError:
            raise AssertionError(f"not used: {sorted(unused())}") from None
        refused = [e for e in audit.entries(installation.user) if e.code in (401, 403)]
        assert refused == []
        said = [one for one in operator.logs() if "forbidden" in one["message"].lower()]
        assert said == []


def job_of(obj: dict[str, Any], published: Manifest) -> str:
    """Name of the Job that verifies the version."""
    detector = FraudDetector.parse({**obj, "metadata": {**obj["metadata"], "uid": "-"}})
    source = sha256_hex(encode(published))
    key = key_of(source, release_rules(detector.spec.model).verification)
    return verification_name(detector, WantedVerification("v1", source, key, 1))


def of(entry: Entry) -> Iterator[Right]:
    """The rights that a request needed: an apply that makes an object needs two."""
    yield entry.group, entry.resource, entry.verb
    if (entry.verb, entry.code) == ("patch", 201):
        yield entry.group, entry.resource, "create"


def leftovers(installation: Installation, uid: str) -> None:
    """One object of every kind of child that is ours by label and owner, and not wanted."""
    owner = {
        "apiVersion": "fraudops.io/v1beta1",
        "kind": "FraudDetector",
        "name": "cards",
        "uid": uid,
        "controller": True,
    }
    metadata = {
        "name": "leftover",
        "labels": {"fraudops.io/detector": "cards"},
        "ownerReferences": [owner],
    }
    objects(installation, lambda _: metadata)


def objects(installation: Installation, metadata: Callable[[str], dict[str, Any]]) -> None:
    """One object of every kind of child."""
    selector = {"matchLabels": {"a": "b"}}
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "a", "image": "registry.example/a"}]},
    }
    once = {"spec": {**template["spec"], "restartPolicy": "Never"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "leftover"}
    of_kind: dict[tuple[str, str], dict[str, Any]] = {
        ("v1", "ServiceAccount"): {},
        ("v1", "ConfigMap"): {},
        ("v1", "Service"): {"ports": [{"port": 1}]},
        ("apps/v1", "Deployment"): {"replicas": 0, "selector": selector, "template": template},
        ("apps/v1", "StatefulSet"): {
            "replicas": 0,
            "serviceName": "nodes",
            "selector": selector,
            "template": template,
        },
        ("autoscaling/v2", "HorizontalPodAutoscaler"): {"scaleTargetRef": target, "maxReplicas": 1},
        ("policy/v1", "PodDisruptionBudget"): {"maxUnavailable": 1, "selector": selector},
        ("batch/v1", "Job"): {"suspend": True, "template": once},
        ("batch/v1", "CronJob"): {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {"spec": {"template": once}},
        },
        ("apps/v1", "ControllerRevision"): {},
    }
    installation.apply(
        *(
            {"apiVersion": version, "kind": kind, "metadata": metadata(kind)}
            | ({"spec": spec} if spec else {})
            | ({"revision": 1, "data": {"a": "b"}} if kind == "ControllerRevision" else {})
            for (version, kind), spec in of_kind.items()
        ),
    )
