"""The Deployment of the scorer pods: a new pod must be ready before an old one goes."""

from __future__ import annotations

from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, pod_selector, scorer_name
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.image import PINNED_ANNOTATION, Image
from fraud_operator.plan.pod_template import TEMPLATE_ANNOTATION, PodTemplate
from fraud_operator.plan.types import Manifested

PROGRESS_DEADLINE_SECONDS = 600
_OLD_REPLICA_SETS = 2


def deployment(
    detector: FraudDetector,
    effective: Effective,
    image: Image,
    template: PodTemplate,
) -> Manifested:
    """`spec.replicas` is left out where an autoscaler decides; see `starting_replicas`."""
    annotations = {TEMPLATE_ANNOTATION: template.recorded}
    if image.pinned:
        annotations[PINNED_ANNOTATION] = image.pinned
    spec: dict[str, Any] = {
        "selector": {"matchLabels": pod_selector(detector)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "revisionHistoryLimit": _OLD_REPLICA_SETS,
        "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
        "template": template.body,
    }
    if effective.replicas is not None:
        spec["replicas"] = effective.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(detector, scorer_name(detector), annotations),
        "spec": spec,
    }


def starting_replicas(effective: Effective, observed: Manifested | None) -> int | None:
    """With how many pods an autoscaler takes over: as many as there are, within its bounds."""
    if effective.autoscaling is None:
        return None
    now = (observed or {}).get("spec", {}).get("replicas", 0)
    return int(
        min(max(now, effective.autoscaling.min_replicas), effective.autoscaling.max_replicas)
    )
