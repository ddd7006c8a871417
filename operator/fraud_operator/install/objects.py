"""The operator's own objects in a cluster: the one source of the chart and of `manifests`.

The operator may read Secrets by name (detectors name them) and never lists or watches them. A list
of namespaces narrows all of its rights to these: the same rules, bound in each instead of once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.api.frauddetector import GROUP, PLURAL

NAME = "fraud-operator"
PORT = 8080
_LABELS = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/part-of": "fraudops",
}
_SELECTOR = {"app.kubernetes.io/name": NAME}

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What an installation can choose. A string may also be a placeholder of the chart."""

    namespace: str
    image: str
    scorer_image: str
    replicas: int | str = 2
    image_pull_policy: str = "IfNotPresent"
    scorer_image_pull_policy: str = "IfNotPresent"
    redis_image: str = "redis"
    postgres_image: str = "postgres"
    watched: str = ""
    """Namespaces to look after, with commas between them; empty: all."""
    log_level: str = "info"
    log_format: str = "json"
    resources: Mapping[str, Any] | str = field(
        default_factory=lambda: {
            "requests": {"cpu": "100m", "memory": "192Mi"},
            "limits": {"memory": "512Mi"},
        }
    )
    service_account_annotations: Mapping[str, str] | str = ""
    image_pull_secrets: Sequence[Mapping[str, str]] | str = ""
    node_selector: Mapping[str, str] | str = ""
    tolerations: Sequence[Mapping[str, Any]] | str = ""
    affinity: Mapping[str, Any] | str = ""
    priority_class_name: str = ""


def objects(options: Options) -> Iterator[Manifest]:
    """Everything but the CRDs and the namespace, in the order in which to create it."""
    yield service_account(options)
    yield cluster_role()
    if options.watched:
        for namespace in options.watched.split(","):
            yield role_binding(options, namespace)
    else:
        yield cluster_role_binding(options)
    yield lease_role(options)
    yield lease_role_binding(options)
    yield view_role()
    yield edit_role()
    yield pod_disruption_budget(options)
    yield deployment(options)


def namespace(options: Options) -> Manifest:
    """The operator's namespace, which takes no pod that is not restricted."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": options.namespace,
            "labels": {
                "app.kubernetes.io/part-of": "fraudops",
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
    }


def service_account(options: Options) -> Manifest:
    """Who the operator is."""
    manifest = _object("v1", "ServiceAccount", NAME, options.namespace)
    _set(manifest["metadata"], "annotations", options.service_account_annotations)
    return manifest


def cluster_role() -> Manifest:
    """What the operator may do where it looks after detectors: nothing that it does not use."""
    rules = [
        _rule(GROUP, [PLURAL], "list", "watch"),
        _rule(GROUP, [f"{PLURAL}/status"], "patch"),
        _rule("", ["serviceaccounts", "configmaps", "services"], *_CHILD_VERBS),
        _rule("apps", ["deployments", "statefulsets"], *_CHILD_VERBS),
        _rule("autoscaling", ["horizontalpodautoscalers"], *_CHILD_VERBS),
        _rule("policy", ["poddisruptionbudgets"], *_CHILD_VERBS),
        _rule("batch", ["cronjobs"], *_CHILD_VERBS),
        # Made once and never changed: verifications, and what was active.
        _rule("batch", ["jobs"], *_ONCE_VERBS),
        _rule("apps", ["controllerrevisions"], *_ONCE_VERBS),
        # Patched for one label: that by which the Service finds a pod.
        _rule("", ["pods"], "list", "watch", "patch"),
        # Made by StatefulSets; patched to grow.
        _rule("", ["persistentvolumeclaims"], "list", "watch", "patch"),
        # By name, in the detector's own namespace: what its spec refers to. Created: tokens,
        # passwords and keys of its own; patched: whose these are, and a key that one of them lacks.
        # None is deleted, but a server may ask for that right of whoever gives an object an owner.
        _rule("", ["secrets"], "get", "create", "patch", "delete"),
        # A token of the detector's own ServiceAccount, to ask its model store as that.
        _rule("", ["serviceaccounts/token"], "create"),
        _rule("", ["events"], "create"),
    ]
    return {**_object("rbac.authorization.k8s.io/v1", "ClusterRole", NAME), "rules": rules}


_ONCE_VERBS = ("get", "list", "watch", "create", "delete")
_CHILD_VERBS = ("get", "list", "watch", "create", "patch", "delete")


def cluster_role_binding(options: Options) -> Manifest:
    """All namespaces."""
    return {
        **_object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", NAME),
        "roleRef": _role_ref("ClusterRole", NAME),
        "subjects": [_subject(options)],
    }


def role_binding(options: Options, watched: str) -> Manifest:
    """One of the namespaces that are looked after."""
    return {
        **_object("rbac.authorization.k8s.io/v1", "RoleBinding", NAME, watched),
        "roleRef": _role_ref("ClusterRole", NAME),
        "subjects": [_subject(options)],
    }


def lease_role(options: Options) -> Manifest:
    """Leader election, in the operator's own namespace."""
    return {
        **_object(
            "rbac.authorization.k8s.io/v1", "Role", f"{NAME}-leader-election", options.namespace
        ),
        "rules": [_rule("coordination.k8s.io", ["leases"], "get", "create", "update")],
    }


def lease_role_binding(options: Options) -> Manifest:
    """Leader election, in the operator's own namespace."""
    name = f"{NAME}-leader-election"
    return {
        **_object("rbac.authorization.k8s.io/v1", "RoleBinding", name, options.namespace),
        "roleRef": _role_ref("Role", name),
        "subjects": [_subject(options)],
    }


def view_role() -> Manifest:
    """Adds FraudDetectors to the cluster's own role `view`."""
    manifest = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "fraudops-view")
    manifest["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] = "true"
    resources = [PLURAL, f"{PLURAL}/status", f"{PLURAL}/scale"]
    return {**manifest, "rules": [_rule(GROUP, resources, "get", "list", "watch")]}


def edit_role() -> Manifest:
    """Adds FraudDetectors to the cluster's own roles `edit` and `admin`."""
    manifest = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "fraudops-edit")
    for role in ("edit", "admin"):
        manifest["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] = "true"
    return {
        **manifest,
        "rules": [
            _rule(GROUP, [PLURAL], "create", "update", "patch", "delete", "deletecollection"),
            _rule(GROUP, [f"{PLURAL}/scale"], "update", "patch"),
        ],
    }


def pod_disruption_budget(options: Options) -> Manifest:
    """A drain takes one replica at a time."""
    return {
        **_object("policy/v1", "PodDisruptionBudget", NAME, options.namespace),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _SELECTOR}},
    }


def deployment(options: Options) -> Manifest:
    """The operator: one replica leads, the others stand by with a warm view."""
    container: dict[str, Any] = {
        "name": "operator",
        "image": options.image,
        "imagePullPolicy": options.image_pull_policy,
        "args": [
            "run",
            f"--scorer-image={options.scorer_image}",
            f"--image-pull-policy={options.scorer_image_pull_policy}",
            f"--redis-image={options.redis_image}",
            f"--postgres-image={options.postgres_image}",
            f"--namespaces={options.watched}",
            f"--lease-namespace={options.namespace}",
            f"--listen=:{PORT}",
            f"--log-level={options.log_level}",
            f"--log-format={options.log_format}",
        ],
        "ports": [{"name": "metrics", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": _probe(period=10, failures=6),
        "readinessProbe": _probe(period=5, failures=3),
        "resources": options.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- the pod's own
    }
    pod: dict[str, Any] = {
        "serviceAccountName": NAME,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "topologySpreadConstraints": [
            {
                "topologyKey": "kubernetes.io/hostname",
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _SELECTOR},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    _set(pod, "imagePullSecrets", options.image_pull_secrets)
    _set(pod, "nodeSelector", options.node_selector)
    _set(pod, "tolerations", options.tolerations)
    _set(pod, "affinity", options.affinity)
    _set(pod, "priorityClassName", options.priority_class_name)
    return {
        **_object("apps/v1", "Deployment", NAME, options.namespace),
        "spec": {
            "replicas": options.replicas,
            "selector": {"matchLabels": _SELECTOR},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": pod},
        },
    }


def _object(api_version: str, kind: str, name: str, namespace: str = "") -> Manifest:
    metadata: dict[str, Any] = {"name": name}
    _set(metadata, "namespace", namespace)
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {**metadata, "labels": dict(_LABELS)},
    }


def _rule(group: str, resources: list[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _role_ref(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def _subject(options: Options) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": NAME, "namespace": options.namespace}


def _probe(*, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/healthz", "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _set(into: dict[str, Any], key: str, value: Any) -> None:
    if value:
        into[key] = value
