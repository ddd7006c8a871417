"""Names and labels of a store's children.

What outlives the detector (its volume, and Secrets without which that cannot be read) has no owner
and no `app.kubernetes.io/instance`, by which Argo CD would prune it. `fraudops.io/detector` is what
a detector of the same name takes it back by.
"""

from __future__ import annotations

from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import (
    DETECTOR_LABEL,
    INSTANCE_LABEL,
    NAME_LABEL,
    POSTGRES,
    REDIS,
    labels_for,
    metadata,
)

DATA_VOLUME = "data"


def redis_name(detector: FraudDetector) -> str:
    """Name of the StatefulSet, the client Service, the ConfigMap and the PodDisruptionBudget."""
    return f"{detector.name}-redis"


def postgres_name(detector: FraudDetector) -> str:
    """Name of the StatefulSet, the client Service, the ConfigMap and the PodDisruptionBudget."""
    return f"{detector.name}-postgres"


def nodes_name(store: str) -> str:
    """Name of the headless Service that gives a store's pods their names."""
    return f"{store}-nodes"


def claim_name(detector: FraudDetector) -> str:
    """Name of the claim of Postgres' volume, as the StatefulSet controller calls it."""
    return f"{DATA_VOLUME}-{postgres_name(detector)}-0"


def redis_auth_name(detector: FraudDetector) -> str:
    """Name of the Secret with what scorers connect to Redis with, and what Redis lets them do."""
    return f"{detector.name}-redis-auth"


def postgres_app_name(detector: FraudDetector) -> str:
    """Name of the Secret with what scorers connect to Postgres with."""
    return f"{detector.name}-postgres-app"


def postgres_owner_name(detector: FraudDetector) -> str:
    """Name of the Secret with what migrations and retention connect to Postgres with."""
    return f"{detector.name}-postgres-owner"


def records_keys_name(detector: FraudDetector) -> str:
    """Name of the Secret with the keys of seals and of random approvals."""
    return f"{detector.name}-records-keys"


def records_name(detector: FraudDetector) -> str:
    """Name of the ConfigMap that says where sealed records are archived."""
    return f"{detector.name}-records"


def store_labels(detector: FraudDetector, purpose: str) -> dict[str, str]:
    """Of a store's children and pods: none by which pods are taken for scorers."""
    return labels_for(detector, purpose, _COMPONENTS[purpose])


def store_selector(detector: FraudDetector, purpose: str) -> dict[str, str]:
    """Labels of its pods, and of their claims; they can never change."""
    return {NAME_LABEL: purpose, DETECTOR_LABEL: detector.name}


def store_metadata(
    detector: FraudDetector, purpose: str, name: str, annotations: dict[str, str] | None = None
) -> dict[str, Any]:
    """Of a child that goes with the detector."""
    return {
        **metadata(detector, name, annotations),
        "labels": store_labels(detector, purpose),
    }


def kept_metadata(
    detector: FraudDetector, purpose: str, name: str, *, retained: bool
) -> dict[str, Any]:
    """Of what outlives the detector where it is `retained`, and goes with it otherwise."""
    made = store_metadata(detector, purpose, name)
    if retained:
        del made["ownerReferences"]
        del made["labels"][INSTANCE_LABEL]
    return made


_COMPONENTS = {REDIS: "cache", POSTGRES: "database"}
