"""What Redis and Postgres have in common: one StatefulSet of one pod, the Services in front of it,
its configuration, and why an upgrade of the operator restarts neither.

The ConfigMap keeps the record: what configuration and pod template were rendered last, and from
what. It outlives the StatefulSet, which is deleted without its pod and made anew when its volume
grows; the new one must be the very same, or the pod would be replaced.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.pod_template import TEMPLATE_ANNOTATION, PodTemplate, template_of
from fraud_operator.plan.stores.names import (
    nodes_name,
    store_labels,
    store_metadata,
    store_selector,
)
from fraud_operator.plan.types import Manifested

IMAGE_ANNOTATION = "fraudops.io/store-image"
USER = 999
"""Of the official images, both as user and as group."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One store that the operator runs."""

    detector: FraudDetector
    purpose: str
    name: str
    image: StoreImage
    port: int
    inputs: dict[str, Any]
    """What configuration and template follow from: while these are the same, so are those."""
    config: dict[str, str]
    """Files of its configuration, as they would be rendered now."""
    pod: Manifested
    """Spec of its pod, likewise."""
    notes: dict[str, str] = field(default_factory=dict)
    """Further annotations of the ConfigMap."""
    claims: Sequence[Manifested] = ()
    retained: bool = True
    """Whether its claims outlive it."""

    @property
    def host(self) -> str:
        """Where it is asked for."""
        return f"{self.name}.{self.detector.namespace}.svc"


@dataclass(frozen=True, slots=True)
class StoreImage:
    """`version` is the spec's own; empty: the operator's default of the first day."""

    version: str
    name: str


def store_image(
    version: str, explicit: str, repository: str, default: str, config_map: Manifested | None
) -> StoreImage:
    """The image to run: the spec's, else that of its version in the operator's repository, as it
    was when that version was first asked for."""
    if explicit:
        return StoreImage(version, explicit)
    pinned = _pinned(config_map)
    if pinned is not None and pinned.version == version:
        return pinned
    return StoreImage(version, f"{repository}:{version or default}")


def recorded(
    workload: Workload, config_map: Manifested | None, *, hold: bool = False
) -> PodTemplate:
    """Configuration and template together: those that `config_map` has recorded while their inputs
    are the same, or for as long as they are to be held."""
    inputs = {**workload.inputs, "image": workload.image.name}
    template = {
        "metadata": {"labels": store_labels(workload.detector, workload.purpose)},
        "spec": workload.pod,
    }
    return template_of(inputs, {"data": workload.config, "pod": template}, config_map, hold=hold)


def config_map(workload: Workload, made: PodTemplate) -> Manifested:
    """Its configuration, and the record."""
    image = {"version": workload.image.version, "image": workload.image.name}
    notes = {
        TEMPLATE_ANNOTATION: made.recorded,
        IMAGE_ANNOTATION: json.dumps(image, sort_keys=True),
        **workload.notes,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": store_metadata(workload.detector, workload.purpose, workload.name, notes),
        "data": dict(made.body["data"]),
    }


def client_service(workload: Workload) -> Manifested:
    """Where it is asked for: its pod, once that is ready."""
    return _service(workload, workload.name, {"type": "ClusterIP"})


def headless_service(workload: Workload) -> Manifested:
    """What gives its pod a name of its own, ready or not."""
    how = {"type": "ClusterIP", "clusterIP": "None", "publishNotReadyAddresses": True}
    return _service(workload, nodes_name(workload.name), how)


def disruption_budget(workload: Workload) -> Manifested:
    """A drain of nodes may take the pod, one at a time: no answer waits for a store, and a node
    that can never be drained helps nobody."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": store_metadata(workload.detector, workload.purpose, workload.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": store_selector(workload.detector, workload.purpose)},
        },
    }


def stateful_set(workload: Workload, made: PodTemplate) -> Manifested:
    """The StatefulSet. Parallel, although it has one pod: the other policy never replaces one that
    does not become ready, not even by a template that would."""
    spec: dict[str, Any] = {
        "serviceName": nodes_name(workload.name),
        "replicas": 1,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": store_selector(workload.detector, workload.purpose)},
        "template": made.body["pod"],
    }
    if workload.claims:
        spec["volumeClaimTemplates"] = list(workload.claims)
        spec["persistentVolumeClaimRetentionPolicy"] = {
            "whenDeleted": "Retain" if workload.retained else "Delete",
            "whenScaled": "Retain",
        }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": store_metadata(workload.detector, workload.purpose, workload.name),
        "spec": spec,
    }


def pod_security() -> dict[str, Any]:
    """The security context of a store's pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        # Or a new volume belongs to root alone.
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def run(*command: str, period: int, failures: int, timeout: int = 3) -> dict[str, Any]:
    """A probe that asks the server itself: one that hangs still takes connections."""
    return {
        "exec": {"command": list(command)},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _service(workload: Workload, name: str, how: dict[str, Any]) -> Manifested:
    port = {"name": workload.purpose.removeprefix("fraud-"), "port": workload.port}
    port |= {"targetPort": port["name"], "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": store_metadata(workload.detector, workload.purpose, name),
        "spec": {
            **how,
            "selector": store_selector(workload.detector, workload.purpose),
            "ports": [port],
        },
    }


def _pinned(config_map: Manifested | None) -> StoreImage | None:
    annotations = (config_map or {}).get("metadata", {}).get("annotations") or {}
    try:
        found = json.loads(annotations[IMAGE_ANNOTATION])
        return StoreImage(str(found["version"]), str(found["image"]))
    except (KeyError, ValueError, TypeError):
        return None
