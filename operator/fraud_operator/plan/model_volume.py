"""The server of a volume on which models are published or kept: one pod that mounts the claim, and
the Service by which everybody else asks it.

The claim is a person's, and is neither made nor removed here. A new pod waits for the old one to be
gone, as many volumes can be mounted once only; until it is there, what serves goes on serving.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import (
    COMPONENT_LABEL,
    DETECTOR_LABEL,
    NAME_LABEL,
    VOLUME,
    labels_for,
    management_name,
    metadata,
    scorer_name,
)
from fraud_operator.plan.management_token import VOLUME_TOKEN_KEY
from fraud_operator.plan.pod_template import (
    TEMPLATE_ANNOTATION,
    mount,
    placement,
    restricted,
    template_of,
)
from fraud_operator.plan.rollout import Rollout, rollout
from fraud_operator.plan.store_location import BACKUPS, RECORDS, VOLUME_PORT, claims
from fraud_operator.plan.trouble import trouble
from fraud_operator.plan.types import Manifested, Observed, OperatorDefaults
from fraud_scorer.artifact.plan import TOKEN_FILE

ROOT = "/models"
"""Where the volume is in the pod: what is copied there is published."""

CONTAINER = "volume"
_TOKEN_FOLDER = "/etc/fraudops/volume-token"  # noqa: S105 - a folder
_USER = 65532
_GRACE_SECONDS = 30
_PROGRESS_SECONDS = 120
_RESOURCES = {
    "requests": {"cpu": "20m", "memory": "96Mi"},
    "limits": {"memory": "512Mi"},
}


@dataclass(frozen=True, slots=True)
class VolumeServer:
    """Which volume is given out, and what for: that is part of the names of its objects."""

    detector: FraudDetector
    claim: str
    use: str

    @property
    def name(self) -> str:
        """Name of the Deployment and of the Service."""
        return f"{self.detector.name}-{self.use}"

    @property
    def labels(self) -> dict[str, str]:
        """None by which pods are taken for scorers."""
        return labels_for(self.detector, VOLUME, self.use)

    @property
    def selector(self) -> dict[str, str]:
        """Labels of its pods; they can never change."""
        return {key: self.labels[key] for key in (NAME_LABEL, DETECTOR_LABEL, COMPONENT_LABEL)}

    @property
    def metadata(self) -> dict[str, Any]:
        """Of each of its objects."""
        return {**metadata(self.detector, self.name), "labels": self.labels}


def volume_servers(detector: FraudDetector) -> Iterator[VolumeServer]:
    """One for each volume that the spec names."""
    for claim, use in claims(detector).items():
        yield VolumeServer(detector, claim, use)


def service(server: VolumeServer) -> Manifested:
    """Where the volume is asked for."""
    port = {"name": "http", "port": VOLUME_PORT, "targetPort": "http", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": server.metadata,
        "spec": {"type": "ClusterIP", "selector": server.selector, "ports": [port]},
    }


def deployment(
    server: VolumeServer, image: str, defaults: OperatorDefaults, observed: Manifested | None
) -> Manifested:
    """The one pod. Its template is that of the `observed` one as long as nothing that it is made
    from has changed: an upgrade of the operator restarts it as little as it does scorers."""
    where = placement(server.detector)
    inputs = {"image": image, "claim": server.claim, "placement": where}
    template = template_of(inputs, _template(server, image, defaults), observed)
    recorded = {TEMPLATE_ANNOTATION: template.recorded}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**server.metadata, "annotations": recorded},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": server.selector},
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": _PROGRESS_SECONDS,
            "template": template.body,
        },
    }


def are_available(detector: FraudDetector, observed: Observed) -> bool:
    """Whether every volume that is looked at is given out, as far as the Deployments say."""
    states = (_state(server, observed) for server in _looked_at(detector))
    return all(state is not None and state.available for state in states)


def trouble_of(detector: FraudDetector, observed: Observed) -> str:
    """Why a volume that is looked at is not given out; empty where all are, or are about to be."""
    for server in _looked_at(detector):
        state = _state(server, observed)
        if state is None or state.available:
            continue
        pods = [
            pod
            for pod in observed.volumes
            if pod["metadata"]["labels"].get(COMPONENT_LABEL) == server.use
        ]
        if why := trouble(pods) or state.refused or state.failed:
            return f"The volume of claim {server.claim} is not given out: {why}"
    return ""


def _looked_at(detector: FraudDetector) -> Iterator[VolumeServer]:
    """Without those of backups alone, whose Jobs say what they miss, and of records, which wait."""
    return (server for server in volume_servers(detector) if server.use not in (BACKUPS, RECORDS))


def _state(server: VolumeServer, observed: Observed) -> Rollout | None:
    return rollout(observed.children.get(("Deployment", server.name)))


def _template(server: VolumeServer, image: str, defaults: OperatorDefaults) -> Manifested:
    token = [{"key": VOLUME_TOKEN_KEY, "path": TOKEN_FILE}]
    return {
        "metadata": {
            "labels": server.labels,
            # A cloud's webhook gives containers a token: this one needs none.
            "annotations": {"eks.amazonaws.com/skip-containers": CONTAINER},
        },
        "spec": {
            "serviceAccountName": scorer_name(server.detector),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                # Or a new volume belongs to root alone, and nothing could be written to it.
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(image, defaults)],
            "volumes": [
                {"name": "volume", "persistentVolumeClaim": {"claimName": server.claim}},
                {
                    "name": "token",
                    "secret": {"secretName": management_name(server.detector), "items": token},
                },
            ],
            **placement(server.detector),
        },
    }


def _container(image: str, defaults: OperatorDefaults) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["fraud-scorer"],
        "args": [
            "volume",
            f"--root={ROOT}",
            f"--token={_TOKEN_FOLDER}",
            f"--listen=0.0.0.0:{VOLUME_PORT}",
            f"--shutdown={_GRACE_SECONDS - 5}",
        ],
        "ports": [{"name": "http", "containerPort": VOLUME_PORT, "protocol": "TCP"}],
        "resources": {key: dict(value) for key, value in _RESOURCES.items()},
        "startupProbe": _probe("/health/live", period=1, failures=120),
        "readinessProbe": _probe("/health/ready", period=5, failures=3),
        "livenessProbe": _probe("/health/live", period=10, failures=6),
        "securityContext": restricted(),
        "volumeMounts": [
            mount("volume", ROOT),
            mount("token", _TOKEN_FOLDER, read_only=True),
        ],
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
