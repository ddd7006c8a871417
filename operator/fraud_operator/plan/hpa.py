"""The HorizontalPodAutoscaler: more scorer pods at once, fewer only after a while."""

from __future__ import annotations

from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, scorer_name
from fraud_operator.plan.effective import Scaling
from fraud_operator.plan.types import Manifested


def horizontal_pod_autoscaler(detector: FraudDetector, scaling: Scaling) -> Manifested:
    """Only where `spec.autoscaling` is set."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(detector, scorer_name(detector)),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": scorer_name(detector),
            },
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                _utilization("cpu", scaling.cpu_utilization),
                _utilization("memory", scaling.memory_utilization),
            ],
            "behavior": _behaviour(scaling),
        },
    }


def _utilization(resource: str, percent: int) -> dict[str, Any]:
    return {
        "type": "Resource",
        "resource": {
            "name": resource,
            "target": {"type": "Utilization", "averageUtilization": percent},
        },
    }


def _behaviour(scaling: Scaling) -> dict[str, Any]:
    return {
        # Traffic doubles within minutes when it does; a pod is ready in seconds.
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        },
        # A lull of five minutes is none: capacity goes slowly, a tenth a minute.
        "scaleDown": {
            "stabilizationWindowSeconds": scaling.stabilization_seconds,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 10, "periodSeconds": 60},
                {"type": "Pods", "value": 1, "periodSeconds": 60},
            ],
        },
    }
