"""The headless Service by which scorer pods find one another, to get from a sibling what the store
does not give. Pods that are not ready are among its addresses: they hold bytes, too."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, pod_selector, siblings_name
from fraud_operator.plan.pod_template import MANAGEMENT_PORT
from fraud_operator.plan.types import Manifested


def siblings(detector: FraudDetector) -> Manifested:
    """All scorer pods, by their management port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(detector, siblings_name(detector)),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": pod_selector(detector),
            "ports": [
                {
                    "name": "management",
                    "port": MANAGEMENT_PORT,
                    "targetPort": "management",
                    "protocol": "TCP",
                }
            ],
        },
    }
