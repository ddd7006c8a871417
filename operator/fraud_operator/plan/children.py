"""What all children of a detector have in common: names, labels, and whose they are."""

from __future__ import annotations

from typing import Any

from fraud_operator.api.frauddetector import API_VERSION, KIND, FraudDetector

DETECTOR_LABEL = "fraudops.io/detector"
SERVING_LABEL = "fraudops.io/serving"
"""On every scorer pod; the Service sends traffic to pods that have it. Taking it from a pod takes
the pod out of the Service, and leaves it in the Deployment."""

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
SCORER = "fraud-scorer"
BACKUP = "fraud-model-backup"
VERIFICATION = "fraud-verification"
VOLUME = "fraud-volume"
REDIS = "fraud-redis"
POSTGRES = "fraud-postgres"
SCHEMA = "fraud-schema"
RETENTION = "fraud-retention"
"""Names of what the pods of a detector are for, under NAME_LABEL."""


def scorer_name(detector: FraudDetector) -> str:
    """Name of the ServiceAccount, Service, Deployment, HPA and PodDisruptionBudget."""
    return f"{detector.name}-scorer"


def model_plan_name(detector: FraudDetector) -> str:
    """Name of the ConfigMap that tells scorer pods what to serve."""
    return f"{detector.name}-model-plan"


def siblings_name(detector: FraudDetector) -> str:
    """Name of the headless Service by which scorer pods find one another."""
    return f"{detector.name}-siblings"


def management_name(detector: FraudDetector) -> str:
    """Name of the Secret with the tokens of the management ports and of volumes' servers."""
    return f"{detector.name}-management"


def endpoint(detector: FraudDetector) -> str:
    """Where transactions are scored, inside the cluster."""
    return f"http://{scorer_name(detector)}.{detector.namespace}.svc/v1/score"


def labels(detector: FraudDetector) -> dict[str, str]:
    """Labels of every child. `fraudops.io/detector` is what the operator finds them by."""
    return {
        NAME_LABEL: SCORER,
        INSTANCE_LABEL: detector.name,
        COMPONENT_LABEL: "scorer",
        "app.kubernetes.io/part-of": "fraudops",
        "app.kubernetes.io/managed-by": "fraud-operator",
        DETECTOR_LABEL: detector.name,
    }


def labels_for(detector: FraudDetector, purpose: str, component: str) -> dict[str, str]:
    """Of a child that is for another purpose than scoring, and of its pods: none by which a
    Deployment or a Service takes these for scorers."""
    return {**labels(detector), NAME_LABEL: purpose, COMPONENT_LABEL: component}


def pod_selector(detector: FraudDetector) -> dict[str, str]:
    """Labels by which the Deployment finds its pods; they can never change."""
    return {NAME_LABEL: SCORER, DETECTOR_LABEL: detector.name}


def selector_text(detector: FraudDetector) -> str:
    """`pod_selector` as kubectl takes it."""
    return ",".join(f"{key}={value}" for key, value in pod_selector(detector).items())


def metadata(
    detector: FraudDetector, name: str, annotations: dict[str, str] | None = None
) -> dict[str, Any]:
    """Metadata of a child. It does not block its owner's deletion, so that the operator needs no
    right to the finalizers of a FraudDetector."""
    result: dict[str, Any] = {
        "name": name,
        "namespace": detector.namespace,
        "labels": labels(detector),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": detector.name,
                "uid": detector.uid,
                "controller": True,
            }
        ],
    }
    if annotations:
        result["annotations"] = annotations
    return result
