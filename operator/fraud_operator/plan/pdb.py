"""The PodDisruptionBudget: how many scorer pods a drain of nodes may take at once."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.quantities import int_or_percent
from fraud_operator.plan.children import metadata, pod_selector, scorer_name
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.types import Manifested


def pod_disruption_budget(detector: FraudDetector, effective: Effective) -> Manifested:
    """A percentage is rounded up, so that a single pod never blocks a drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(detector, scorer_name(detector)),
        "spec": {
            "maxUnavailable": int_or_percent(effective.max_unavailable),
            "selector": {"matchLabels": pod_selector(detector)},
        },
    }
