"""The spec as it is carried out: what is set wins, then the capacity table, then a default.

`Effective.shown` is what `status.effective` says, so that nobody has to guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.api.autoscaling import Autoscaling
from fraud_operator.api.frauddetector import FraudDetectorSpec
from fraud_operator.api.resources import StoreResources
from fraud_operator.api.scorer import Resources
from fraud_operator.plan.capacity import DEFAULT_TRANSACTIONS_PER_DAY, Row, row_for
from fraud_operator.plan.release.rules import ReleaseRules, release_rules
from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.artifact.plan import MOST_REASONS

DEFAULT_THRESHOLDS = Thresholds(review="0.50", decline="0.90")
DEFAULT_SYNC_INTERVAL = "30s"
DEFAULT_MAX_UNAVAILABLE = "10%"
DEFAULT_GRACE_SECONDS = 30
DEFAULT_CPU_UTILIZATION = 70
DEFAULT_MEMORY_UTILIZATION = 80
DEFAULT_STABILIZATION_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Scaling:
    """Bounds and targets (percent of the request) of the HorizontalPodAutoscaler."""

    min_replicas: int
    max_replicas: int
    cpu_utilization: int
    memory_utilization: int
    stabilization_seconds: int
    """Before a pod is taken away."""


@dataclass(frozen=True, slots=True)
class Effective:
    """Every default and derived size of one detector."""

    version: str
    """The pinned version; empty: the newest."""
    sync_interval: str
    thresholds: Thresholds | None
    """None: the model version's own, else DEFAULT_THRESHOLDS."""
    reasons: int
    when_unavailable: str
    """The declared answer without a model; empty: none."""
    release: ReleaseRules
    transactions_per_day: int
    tps_budget: int
    replicas: int | None
    """None where an autoscaler decides."""
    autoscaling: Scaling | None
    resources: Mapping[str, Mapping[str, str]]
    """As a container takes them."""
    processes: int
    """Serving processes of a pod: one a core of its CPU request, and one for what is left over."""
    max_unavailable: str
    grace_seconds: int

    @property
    def least_replicas(self) -> int:
        """Pods that there are to be at the least."""
        if self.autoscaling is not None:
            return self.autoscaling.min_replicas
        return self.replicas or 0

    def shown(self, image: str, thresholds: Thresholds | None) -> dict[str, Any]:
        """`status.effective`, with the image and the thresholds that are in force."""
        thresholds = thresholds or self.thresholds or DEFAULT_THRESHOLDS
        scorer: dict[str, Any] = {
            "image": image,
            "resources": {key: dict(value) for key, value in self.resources.items()},
            "processes": self.processes,
            "maxUnavailable": self.max_unavailable,
            "terminationGracePeriodSeconds": self.grace_seconds,
        }
        if self.replicas is not None:
            scorer["replicas"] = self.replicas
        model: dict[str, Any] = {"syncInterval": self.sync_interval, **self.release.shown()}
        if self.version:
            model["version"] = self.version
        shown: dict[str, Any] = {
            "model": model,
            "scoring": {
                "thresholds": {"review": thresholds.review, "decline": thresholds.decline},
                "reasons": self.reasons,
                **({"whenUnavailable": self.when_unavailable} if self.when_unavailable else {}),
            },
            "capacity": {
                "transactionsPerDay": self.transactions_per_day,
                "tpsBudget": self.tps_budget,
            },
            "scorer": scorer,
        }
        if self.autoscaling is not None:
            shown["autoscaling"] = {
                "minReplicas": self.autoscaling.min_replicas,
                "maxReplicas": self.autoscaling.max_replicas,
                "cpuUtilization": self.autoscaling.cpu_utilization,
                "memoryUtilization": self.autoscaling.memory_utilization,
                "scaleDownStabilizationSeconds": self.autoscaling.stabilization_seconds,
            }
        return shown


def effective(spec: FraudDetectorSpec) -> Effective:
    """Resolve every default of `spec`."""
    per_day = (
        quantities.count(spec.capacity.transactions_per_day)
        if spec.capacity.transactions_per_day
        else DEFAULT_TRANSACTIONS_PER_DAY
    )
    row = row_for(per_day)
    scaling = _scaling(spec.autoscaling, row)
    replicas = row.replicas if spec.scorer.replicas is None else spec.scorer.replicas
    thresholds = spec.scoring.thresholds
    resources = container_resources(spec.scorer.resources, row.cpu, row.memory)
    return Effective(
        version=spec.model.version or "",
        sync_interval=spec.model.sync_interval or DEFAULT_SYNC_INTERVAL,
        thresholds=Thresholds(review=thresholds.review, decline=thresholds.decline)
        if thresholds is not None
        else None,
        reasons=MOST_REASONS if spec.scoring.reasons is None else spec.scoring.reasons,
        when_unavailable=spec.scoring.when_unavailable or "",
        release=release_rules(spec.model),
        transactions_per_day=per_day,
        tps_budget=row.tps_budget,
        replicas=replicas if scaling is None else None,
        autoscaling=scaling,
        resources=resources,
        processes=max(1, math.ceil(quantities.millicores(resources["requests"]["cpu"]) / 1000)),
        max_unavailable=spec.scorer.max_unavailable or DEFAULT_MAX_UNAVAILABLE,
        grace_seconds=spec.scorer.termination_grace_period_seconds or DEFAULT_GRACE_SECONDS,
    )


def _scaling(spec: Autoscaling | None, row: Row) -> Scaling | None:
    """A bound that is not set gives way to the one that is."""
    if spec is None:
        return None
    least, most = spec.min_replicas, spec.max_replicas
    if least is None:
        least = row.min_replicas if most is None else min(row.min_replicas, most)
    if most is None:
        most = max(row.max_replicas, least)
    return Scaling(
        min_replicas=least,
        max_replicas=most,
        cpu_utilization=spec.cpu_utilization or DEFAULT_CPU_UTILIZATION,
        memory_utilization=spec.memory_utilization or DEFAULT_MEMORY_UTILIZATION,
        stabilization_seconds=DEFAULT_STABILIZATION_SECONDS
        if spec.scale_down_stabilization_seconds is None
        else spec.scale_down_stabilization_seconds,
    )


def container_resources(
    spec: Resources | StoreResources, cpu: str, memory: str
) -> dict[str, dict[str, str]]:
    """As a container takes them: what is set, else these defaults. A limit of memory that is not
    set is the request, and the other way round; a default never asks for more than a limit that is
    set."""
    limit = spec.limits.memory or spec.requests.memory or memory
    cores = spec.requests.cpu or cpu
    if spec.limits.cpu and quantities.millicores(cores) > quantities.millicores(spec.limits.cpu):
        cores = spec.limits.cpu
    limits = {"memory": quantities.canonical_memory(limit)}
    if spec.limits.cpu:
        limits = {"cpu": quantities.canonical_cpu(spec.limits.cpu), **limits}
    return {
        "requests": {
            "cpu": quantities.canonical_cpu(cores),
            "memory": quantities.canonical_memory(spec.requests.memory or limit),
        },
        "limits": limits,
    }
