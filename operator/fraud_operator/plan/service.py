"""The Service in front of the scorer pods: plain HTTP on port 80, inside the cluster."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import SERVING_LABEL, metadata, pod_selector, scorer_name
from fraud_operator.plan.types import Manifested


def service(detector: FraudDetector) -> Manifested:
    """Ready scorer pods that carry the serving label."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(detector, scorer_name(detector)),
        "spec": {
            "type": "ClusterIP",
            "selector": {**pod_selector(detector), SERVING_LABEL: "true"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }
