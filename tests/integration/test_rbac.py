"""The rights that the operator is installed with: all are used, none is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fraud_operator.install import objects as install
from tests.cluster.audit import AuditLog, Entry
from tests.support.bucket import Bucket
from tests.support.kubelet import make_ready
from tests.support.process import Installation, wait_for

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


def test_every_right_is_used_and_none_is_missing(
    installation: Installation, bucket: Bucket, audit: AuditLog
) -> None:
    bucket.publish("cards/", "v1")
    detector = bucket.detector(autoscaling={"minReplicas": 2, "maxReplicas": 4})
    del detector["spec"]["scorer"]
    as_account = bucket.detector("wires")
    del as_account["spec"]["model"]["source"]["s3"]["credentialsSecret"]
    role = "arn:aws:iam::000000000000:role/models"
    as_account["spec"]["scorer"]["serviceAccountAnnotations"] = {"eks.amazonaws.com/role-arn": role}
    with installation.operator("operator", f"--sts-endpoint={bucket.endpoint}") as operator:
        operator.wait_to_lead()
        # Objects that are in the way of other detectors: they are read, and left alone.
        in_the_way = {"ConfigMap": "taken-model-plan", "Deployment": "half-taken-scorer"}
        objects(installation, lambda kind: {"name": in_the_way.get(kind, "taken-scorer")})
        taken = [bucket.detector(name, autoscaling={}) for name in ("taken", "half-taken")]
        for one in taken:
            one["spec"]["model"]["source"]["s3"]["prefix"] = "cards/"
            del one["spec"]["scorer"]
        installation.apply(bucket.secret(), detector, as_account, *taken)
        make_ready(installation, "cards", 2)
        installation.kubectl("wait", "fd/cards", "--for=condition=Ready", "--timeout=90s")
        found = installation.get("frauddetector", "cards")
        assert found is not None
        leftovers(installation, found["metadata"]["uid"])
        installation.kubectl("annotate", "frauddetector", "cards", "look=again")

        def unused() -> set[Right]:
            return granted() - {right for e in audit.entries(installation.user) for right in of(e)}

        try:
            wait_for("every right is used", lambda: not unused(), seconds=90)
        except AssertionError:
            raise AssertionError(f"not used: {sorted(unused())}") from None
        refused = [e for e in audit.entries(installation.user) if e.code in (401, 403)]
        assert refused == []
        said = [one for one in operator.logs() if "forbidden" in one["message"].lower()]
        assert said == []


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
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "leftover"}
    of_kind: dict[tuple[str, str], dict[str, Any]] = {
        ("v1", "ServiceAccount"): {},
        ("v1", "ConfigMap"): {},
        ("v1", "Service"): {"ports": [{"port": 1}]},
        ("apps/v1", "Deployment"): {"replicas": 0, "selector": selector, "template": template},
        ("autoscaling/v2", "HorizontalPodAutoscaler"): {"scaleTargetRef": target, "maxReplicas": 1},
        ("policy/v1", "PodDisruptionBudget"): {"maxUnavailable": 1, "selector": selector},
    }
    installation.apply(
        *(
            {"apiVersion": version, "kind": kind, "metadata": metadata(kind)}
            | ({"spec": spec} if spec else {})
            for (version, kind), spec in of_kind.items()
        ),
    )
