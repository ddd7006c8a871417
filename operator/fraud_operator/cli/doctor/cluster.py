"""The cluster: its version, and what the operator or production relies on in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fraud_operator.cli.doctor.check import Check, Denied, Finding, denied, fail, ok, skip, warn
from fraud_operator.cli.doctor.facts import ClusterFacts
from fraud_operator.runtime.kube import Object

OLDEST = (1, 25)


def version(facts: ClusterFacts) -> Finding:
    """CRDs with CEL rules need 1.25."""
    said = str(facts.version.get("gitVersion", ""))
    numbers = re.match(r"v?(\d+)\.(\d+)", said)
    if numbers is None:
        return warn(f"the API server says version {said!r}", "use Kubernetes 1.25 or later")
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        return fail(
            f"{said}: without the rules in the CRD, mistakes show only in a detector's status",
            "upgrade the cluster to Kubernetes 1.25 or later",
        )
    return ok(said)


def metrics(facts: ClusterFacts) -> Finding:
    """Autoscalers need figures of CPU and memory."""
    if not facts.metrics_answer:
        return ok("metrics.k8s.io answers")
    why = facts.metrics_answer
    service = facts.metrics_service
    if service is not None and not isinstance(service, Denied):
        for condition in (service.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Available" and condition["status"] != "True":
                why = condition.get("message", why)
    message = f"metrics.k8s.io does not answer: {why}"
    todo = "install metrics-server, or look into the one that is there"
    scaled = _autoscaled(facts)
    if scaled:
        return fail(f"{message}; {', '.join(scaled)} cannot be scaled by load", todo)
    return warn(f"{message}; no detector here has spec.autoscaling", todo)


def storage_class(facts: ClusterFacts) -> Finding:
    """Volumes that name no class get the default one."""
    found = facts.storage_classes
    if found is None or isinstance(found, Denied):
        return denied("StorageClasses", found or Denied("not found"))
    default = _default(found, "storageclass.kubernetes.io/is-default-class")
    if len(default) == 1:
        return ok(f"{default[0]} is the default")
    if not default:
        return warn(
            "no StorageClass is the default: a claim for storage that names none waits for ever",
            "kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true",
        )
    return warn(
        f"{len(default)} StorageClasses say that they are the default: {', '.join(default)}",
        "take the annotation storageclass.kubernetes.io/is-default-class from all but one",
    )


def cert_manager(facts: ClusterFacts) -> Finding:
    """Issues TLS certificates."""
    return _optional(facts, "cert-manager.io", "cert-manager", "certificates for TLS")


def prometheus(facts: ClusterFacts) -> Finding:
    """Scrapes what PodMonitors name."""
    return _optional(
        facts, "monitoring.coreos.com", "the Prometheus operator", "PodMonitors and alert rules"
    )


def ingress_class(facts: ClusterFacts) -> Finding:
    """Ways into the cluster."""
    found = facts.ingress_classes
    if found is None or isinstance(found, Denied):
        return denied("IngressClasses", found or Denied("not found"))
    names = sorted(one["metadata"]["name"] for one in found)
    if not names:
        return skip(
            "there is no IngressClass: detectors answer inside of the cluster only",
            "install an ingress controller where clients are outside",
        )
    default = _default(found, "ingressclass.kubernetes.io/is-default-class")
    return ok(", ".join(f"{name} (default)" if name in default else name for name in names))


def nodes(facts: ClusterFacts) -> Finding:
    """One node, or one zone, is one thing that can fail."""
    zones = facts.zones
    if zones is None or isinstance(zones, Denied):
        return denied("nodes", zones or Denied("not found"))
    known = {zone for zone in zones.values() if zone}
    todo = "use two nodes or more, in two zones or more"
    if not zones:
        return fail("there is no node: pods cannot run", todo)
    if len(zones) < 2:
        return warn("1 node: when it goes, everything goes", todo)
    if len(known) < 2:
        return warn(f"{len(zones)} nodes, all in one zone or in none", "add nodes of another zone")
    return ok(f"{len(zones)} nodes in {len(known)} zones")


def _optional(facts: ClusterFacts, group: str, name: str, purpose: str) -> Finding:
    if group in facts.groups:
        return ok(f"{group} is served")
    return skip(
        f"{name} is not installed: no field of a FraudDetector needs it now",
        f"install it where you want {purpose}",
    )


def _default(classes: Sequence[Object], annotation: str) -> list[str]:
    return [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(annotation) == "true"
    ]


def _autoscaled(facts: ClusterFacts) -> list[str]:
    found = facts.detectors
    if found is None or isinstance(found, Denied):
        return []
    return [str(one.key) for one in found if one.spec.get("autoscaling") is not None]


CHECKS = (
    Check("cluster.version", "Kubernetes", version),
    Check("cluster.nodes", "Nodes", nodes),
    Check("cluster.metrics", "metrics-server", metrics),
    Check("cluster.storage-class", "StorageClass", storage_class),
    Check("cluster.ingress-class", "IngressClass", ingress_class),
    Check("cluster.cert-manager", "cert-manager", cert_manager),
    Check("cluster.prometheus", "Prometheus operator", prometheus),
)
