"""The scorer pods' template, and why an upgrade of the operator leaves it alone.

A template is rendered anew only when the detector's own inputs to it change. The Deployment carries
the template that was rendered last, without the model's revision, and a hash of its inputs; while
the inputs are the same, that very template is used again, whatever today's code would render. What
the API server holds as `spec.template` would not do: it has defaults and other managers' fields in
it. The model's revision is put in last, so that rolling a model out, or back, changes nothing else.

Inputs are recorded as the spec writes them and only where they are set: a field or a table row that
a later operator brings does not change the hash of a detector that does not use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.scorer import EnvVar, Toleration
from fraud_operator.plan.children import (
    SERVING_LABEL,
    labels,
    model_plan_name,
    pod_selector,
    scorer_name,
)
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.types import Manifested, OperatorDefaults
from fraud_scorer.artifact.digest import canonical_json, sha256_hex

TEMPLATE_ANNOTATION = "fraudops.io/pod-template"
REVISION_ANNOTATION = "fraudops.io/model-revision"
CONTAINER = "scorer"
HTTP_PORT = 8080
MANAGEMENT_PORT = 9090

_IDENTITY_ANNOTATION = "fraudops.io/identity"
_REVISION = "@model-revision@"
_PLAN_FOLDER = "/etc/fraudops/plan"
_CREDENTIALS_FOLDER = "/etc/fraudops/store-credentials"
_TERMINATION_LOG = "/dev/termination-log"
_SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
_NOT_OF_THE_TEMPLATE = {"replicas", "image", "max_unavailable"}


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A template without a model revision.

    `recorded` is what the Deployment's annotation is to hold; `outdated` says that today's operator
    would render another template from the same inputs.
    """

    body: Manifested
    recorded: str
    outdated: bool

    def with_revision(self, revision: str) -> Manifested:
        """The template of pods that serve this revision of the model plan."""
        text = json.dumps(self.body).replace(_REVISION, revision)
        template: Manifested = json.loads(text)
        return template


def pod_template(
    detector: FraudDetector,
    effective: Effective,
    image: str,
    defaults: OperatorDefaults,
    deployment: Manifested | None,
    *,
    hold: bool = False,
) -> PodTemplate:
    """The recorded template while its inputs are the same, else a new one.

    `hold` asks for the recorded one, where there is any, whatever the spec says now: pods of a spec
    that refers to something missing could not start.
    """
    record = recorded_template(deployment)
    inputs = _hash(_inputs(detector, image))
    body = rendered = _rendered(detector, effective, image, defaults)
    if record is not None and (hold or record["inputs"] == inputs):
        inputs, body = record["inputs"], record["template"]
    return PodTemplate(
        body=body,
        recorded=_canonical({"inputs": inputs, "digest": _hash(body), "template": body}),
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


def deployed_revision(deployment: Manifested | None) -> str:
    """The model revision that the Deployment's newest pods are to serve; empty: none."""
    return revision_of((deployment or {}).get("spec", {}).get("template", {}))


def revision_of(pod: Manifested) -> str:
    """The model revision that a pod, or a template, is to serve; empty: none."""
    revision: str = pod.get("metadata", {}).get("annotations", {}).get(REVISION_ANNOTATION, "")
    return revision


def _inputs(detector: FraudDetector, image: str) -> dict[str, Any]:
    spec = detector.spec
    s3 = spec.model.source.s3
    return {
        "image": image,
        "scorer": spec.scorer.model_dump(
            by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_TEMPLATE
        ),
        "capacity": spec.capacity.model_dump(by_alias=True, exclude_defaults=True),
        "credentialsSecret": s3.credentials_secret if s3 is not None else None,
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
        REVISION_ANNOTATION: _REVISION,
        # Its emptyDir holds nothing that is not fetched again.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
    }
    if spec.service_account_annotations:
        # A cloud's webhook gives a pod its identity on creation: another one takes new pods.
        annotations[_IDENTITY_ANNOTATION] = _hash(spec.service_account_annotations)
    pod: dict[str, Any] = {
        "serviceAccountName": scorer_name(detector),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
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
    if spec.node_selector:
        pod["nodeSelector"] = dict(spec.node_selector)
    if spec.tolerations:
        pod["tolerations"] = [_toleration(one) for one in spec.tolerations]
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": one.name} for one in spec.image_pull_secrets]
    return {
        "metadata": {
            "labels": {**labels(detector), SERVING_LABEL: "true"},
            "annotations": annotations,
        },
        "spec": pod,
    }


def _container(
    detector: FraudDetector, effective: Effective, image: str, defaults: OperatorDefaults
) -> dict[str, Any]:
    mounts = [
        {"name": "model-plan", "mountPath": _PLAN_FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- the pod's own
    ]
    if _credentials_secret(detector):
        mounts.append(
            {"name": "store-credentials", "mountPath": _CREDENTIALS_FOLDER, "readOnly": True}
        )
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["fraud-scorer"],
        "args": [
            "serve",
            f"--plan={_PLAN_FOLDER}/{_REVISION}.json",
            f"--listen=0.0.0.0:{HTTP_PORT}",
            f"--management=0.0.0.0:{MANAGEMENT_PORT}",
            f"--termination-log={_TERMINATION_LOG}",
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
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": _TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }
    if detector.spec.scorer.extra_env:
        container["env"] = [_variable(one) for one in detector.spec.scorer.extra_env]
    return container


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
        {"name": "model-plan", "configMap": {"name": model_plan_name(detector)}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
    ]
    if secret := _credentials_secret(detector):
        volumes.append({"name": "store-credentials", "secret": {"secretName": secret}})
    return volumes


def _credentials_secret(detector: FraudDetector) -> str | None:
    s3 = detector.spec.model.source.s3
    return s3.credentials_secret if s3 is not None else None


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


def _variable(one: EnvVar) -> dict[str, Any]:
    return one.model_dump(by_alias=True, exclude_none=True)
