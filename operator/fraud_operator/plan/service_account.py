"""The scorer pods' ServiceAccount: who they are to the cloud. To the cluster they are nobody."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, scorer_name
from fraud_operator.plan.types import Manifested


def service_account(detector: FraudDetector) -> Manifested:
    """No token of it is mounted; webhooks of a cloud add theirs where the annotations ask."""
    annotations = detector.spec.scorer.service_account_annotations
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(detector, scorer_name(detector), dict(annotations or {})),
        "automountServiceAccountToken": False,
    }
