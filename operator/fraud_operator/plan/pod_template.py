"""The scorer pods' template, and why an upgrade of the operator leaves it alone.

A template is rendered anew only when the detector's own inputs to it change. The Deployment carries
the template that was rendered last, and a hash of its inputs; while the inputs are the same, that
very template is used again, whatever today's code would render. What the API server holds as
`spec.template` would not do: it has defaults and other managers' fields in it.

No model is named in it: pods follow the model plan that is mounted and that is pushed to them, so
that another model restarts none.

Inputs are recorded as the spec writes them and only where they are set: a field or a table row that
a later operator brings does not change the hash of a detector that does not use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.scorer import Toleration
from fraud_operator.plan.children import (
    SERVING_LABEL,
    labels,
    management_name,
    model_plan_name,
    pod_selector,
    scorer_name,
    siblings_name,
)
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.management_token import TOKEN_KEY
from fraud_operator.plan.store_location import artifacts_of, credentials_volume
from fraud_operator.plan.types import Manifested, OperatorDefaults
from fraud_scorer.artifact.digest import canonical_json, sha256_hex

if TYPE_CHECKING:
    from fraud_operator.plan.stores.pod import StorePart

TEMPLATE_ANNOTATION = "fraudops.io/pod-template"
CONTAINER = "scorer"
HTTP_PORT = 8080
MANAGEMENT_PORT = 9090

_IDENTITY_ANNOTATION = "fraudops.io/identity"
_PLAN_FOLDER = "/etc/fraudops/plan"
_PLAN_FILE = "plan.json"
_MANAGEMENT_FOLDER = "/etc/fraudops/management"
_CREDENTIALS_FOLDER = "/etc/fraudops/store-credentials"
_BACKUP_CREDENTIALS_FOLDER = "/etc/fraudops/backup-credentials"
_BACKUP_VOLUME = "backup-credentials"
_ROOM = "8Gi"
"""For three models at the most: the limit of one is 2Gi."""
_TMP_ROOM = "2Gi"
_OTHER_ROOM = 10 << 30
"""Bytes of both."""
_STATE_FOLDER = "/var/lib/fraudops"
TERMINATION_LOG = "/dev/termination-log"
_SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
_NOT_OF_THE_TEMPLATE = {"replicas", "image", "max_unavailable"}


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A template.

    `recorded` is what the Deployment's annotation is to hold; `outdated` says that today's operator
    would render another template from the same inputs.
    """

    body: Manifested
    recorded: str
    outdated: bool


def pod_template(
    detector: FraudDetector,
    effective: Effective,
    image: str,
    defaults: OperatorDefaults,
    deployment: Manifested | None,
    *,
    stores: StorePart | None = None,
    hold: bool = False,
) -> PodTemplate:
    """The recorded template while its inputs are the same, else a new one.

    `hold` asks for the recorded one, where there is any, whatever the spec says now: pods of a spec
    that refers to something missing could not start, and those of a schema that is not there yet
    are not to.
    """
    rendered = _rendered(detector, effective, image, defaults)
    inputs = _inputs(detector, image)
    if stores is not None:
        inputs["stores"] = stores.inputs
        _add_stores(rendered, stores)
    return template_of(inputs, rendered, deployment, hold=hold)


def template_of(
    inputs: Manifested, rendered: Manifested, deployment: Manifested | None, *, hold: bool = False
) -> PodTemplate:
    """What `deployment` has recorded if it was made from these inputs, else what is `rendered` from
    them now."""
    record = recorded_template(deployment)
    made_from, body = _hash(inputs), rendered
    if record is not None and (hold or record["inputs"] == made_from):
        made_from, body = record["inputs"], record["template"]
    return PodTemplate(
        body=body,
        recorded=_canonical({"inputs": made_from, "digest": _hash(body), "template": body}),
        outdated=not hold and body != rendered,
    )


def recorded_template(deployment: Manifested | None) -> Manifested | None:
    """The record that a Deployment carries; None where there is none, or it was edited by hand."""
    annotations = (deployment or {}).get("metadata", {}).get("annotations", {})
    try:
        record = json.loads(annotations.get(TEMPLATE_ANNOTATION, "null"))
        if isinstance(record["inputs"], str) and record["digest"] == _hash(record["template"]):
            return dict(record)
    except (ValueError, TypeError, KeyError):
        pass
    return None


def restricted() -> dict[str, Any]:
    """The security context of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def unprivileged(detector: FraudDetector) -> dict[str, Any]:
    """Who a pod of the scorer's image is: one without rights, in the cluster and on its node."""
    return {
        "serviceAccountName": scorer_name(detector),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def environment(detector: FraudDetector) -> dict[str, Any]:
    """The variables of its container, a proxy for the store among them; empty where there are
    none."""
    given = detector.spec.scorer.extra_env
    if not given:
        return {}
    return {"env": [one.model_dump(by_alias=True, exclude_none=True) for one in given]}


def mount(name: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    """A volume in a container."""
    made: dict[str, Any] = {"name": name, "mountPath": path}
    return {**made, "readOnly": True} if read_only else made


def placement(detector: FraudDetector) -> dict[str, Any]:
    """On which nodes pods may run, and how they get their image."""
    spec = detector.spec.scorer
    found: dict[str, Any] = {}
    if spec.node_selector:
        found["nodeSelector"] = dict(spec.node_selector)
    if spec.tolerations:
        found["tolerations"] = [_toleration(one) for one in spec.tolerations]
    if spec.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": one.name} for one in spec.image_pull_secrets]
    return found


def _inputs(detector: FraudDetector, image: str) -> dict[str, Any]:
    spec = detector.spec
    return {
        "image": image,
        "scorer": spec.scorer.model_dump(
            by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_TEMPLATE
        ),
        "capacity": spec.capacity.model_dump(by_alias=True, exclude_defaults=True),
        "credentials": credentials_volume("", detector, artifacts_of(detector)),
        **({"backupCredentials": _backup_credentials(detector)} if spec.model.backup else {}),
    }


def _canonical(value: Any) -> str:
    return canonical_json(value).decode()


def _hash(value: Any) -> str:
    return sha256_hex(canonical_json(value))[:16]


def _rendered(
    detector: FraudDetector, effective: Effective, image: str, defaults: OperatorDefaults
) -> Manifested:
    spec = detector.spec.scorer
    annotations = {
        # Its emptyDir holds nothing that is not fetched again.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
    }
    if spec.service_account_annotations:
        # A cloud's webhook gives a pod its identity on creation: another one takes new pods.
        annotations[_IDENTITY_ANNOTATION] = _hash(spec.service_account_annotations)
    pod: dict[str, Any] = {
        **unprivileged(detector),
        "terminationGracePeriodSeconds": effective.grace_seconds,
        "containers": [_container(detector, effective, image, defaults)],
        "volumes": _volumes(detector),
    }
    if spread := _topology_spread(detector):
        pod["topologySpreadConstraints"] = spread
    if spec.topology_spread is None:
        pod["affinity"] = _prefer_other_nodes(detector)
    if spec.priority_class_name:
        pod["priorityClassName"] = spec.priority_class_name
    pod.update(placement(detector))
    return {
        "metadata": {
            "labels": {**labels(detector), SERVING_LABEL: "true"},
            "annotations": annotations,
        },
        "spec": pod,
    }


def _add_stores(template: Manifested, stores: StorePart) -> None:
    """What a pod of a detector with stores has besides."""
    pod = template["spec"]
    (container,) = pod["containers"]
    pod["terminationGracePeriodSeconds"] += stores.more_grace
    pod["volumes"] += stores.volumes
    container["args"] += stores.arguments
    container["volumeMounts"] += stores.mounts
    container["resources"] = stores.resources(container["resources"], _OTHER_ROOM)


def _container(
    detector: FraudDetector, effective: Effective, image: str, defaults: OperatorDefaults
) -> dict[str, Any]:
    mounts = [
        mount("model-plan", _PLAN_FOLDER, read_only=True),
        mount("management", _MANAGEMENT_FOLDER, read_only=True),
        mount("state", _STATE_FOLDER),
        mount("tmp", "/tmp"),  # noqa: S108 -- the pod's own
    ]
    if credentials_volume("store-credentials", detector, artifacts_of(detector)) is not None:
        mounts.append(mount("store-credentials", _CREDENTIALS_FOLDER, read_only=True))
    if _backup_credentials(detector) is not None:
        mounts.append(mount(_BACKUP_VOLUME, _BACKUP_CREDENTIALS_FOLDER, read_only=True))
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["fraud-scorer"],
        "args": [
            "serve",
            f"--plan={_PLAN_FOLDER}/{_PLAN_FILE}",
            f"--listen=0.0.0.0:{HTTP_PORT}",
            f"--management=0.0.0.0:{MANAGEMENT_PORT}",
            f"--management-token={_MANAGEMENT_FOLDER}",
            f"--siblings={siblings_name(detector)}.{detector.namespace}.svc:{MANAGEMENT_PORT}",
            f"--state={_STATE_FOLDER}",
            f"--processes={effective.processes}",
            *_ending(effective.grace_seconds),
        ],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "management", "containerPort": MANAGEMENT_PORT, "protocol": "TCP"},
        ],
        "resources": {key: dict(value) for key, value in effective.resources.items()},
        # A pod that waits for the store is alive, so the start is over once the process answers.
        "startupProbe": _probe("/health/live", period=1, failures=120),
        "readinessProbe": _probe("/health/ready", period=2, failures=3),
        "livenessProbe": _probe("/health/live", period=10, failures=6),
        "securityContext": restricted(),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
        **environment(detector),
    }


def _ending(grace: int) -> list[str]:
    """How a pod spends its grace period: it goes on answering until every node knows that it is
    going, then waits for requests under way, and keeps a little for the end itself."""
    part = min(5, max(1, grace // 6))
    return [f"--drain={part}", f"--shutdown={grace - 2 * part}"]


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "management", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _volumes(detector: FraudDetector) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {
            "name": "model-plan",
            "configMap": {
                "name": model_plan_name(detector),
                # What else is in it is the operator's own.
                "items": [{"key": _PLAN_FILE, "path": _PLAN_FILE}],
            },
        },
        {
            "name": "management",
            "secret": {
                "secretName": management_name(detector),
                "items": [{"key": TOKEN_KEY, "path": TOKEN_KEY}],
            },
        },
        {"name": "state", "emptyDir": {"sizeLimit": _ROOM}},
        {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_ROOM}},
    ]
    credentials = credentials_volume("store-credentials", detector, artifacts_of(detector))
    if credentials is not None:
        volumes.append(dict(credentials))
    backup = _backup_credentials(detector)
    if backup is not None:
        volumes.append(dict(backup))
    return volumes


def _backup_credentials(detector: FraudDetector) -> dict[str, object] | None:
    """What it takes to read the backup; None where there is none, or nothing is needed."""
    backup = detector.spec.model.backup
    return (
        None if backup is None else credentials_volume(_BACKUP_VOLUME, detector, backup.destination)
    )


def _topology_spread(detector: FraudDetector) -> list[dict[str, Any]]:
    selector = {"matchLabels": pod_selector(detector)}
    given = detector.spec.scorer.topology_spread
    wanted = (
        [(key, 1, "ScheduleAnyway") for key in _SPREAD_OVER]
        if given is None
        else [
            (one.topology_key, one.max_skew or 1, one.when_unsatisfiable or "ScheduleAnyway")
            for one in given
        ]
    )
    return [
        {
            "topologyKey": key,
            "maxSkew": skew,
            "whenUnsatisfiable": otherwise,
            "labelSelector": selector,
        }
        for key, skew, otherwise in wanted
    ]


def _prefer_other_nodes(detector: FraudDetector) -> dict[str, Any]:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": pod_selector(detector)},
    }
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "podAffinityTerm": term}
            ]
        }
    }


def _toleration(one: Toleration) -> dict[str, Any]:
    return one.model_dump(by_alias=True, exclude_none=True)
