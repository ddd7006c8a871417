"""The pod of a Job that works upon Postgres: one command of the scorer's image, without rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.pod_template import placement, restricted, unprivileged
from fraud_operator.plan.types import OperatorDefaults


@dataclass(frozen=True, slots=True)
class Task:
    """What is run, and what it takes."""

    container: str
    arguments: Sequence[str]
    """Of `fraud-scorer`."""
    resources: Mapping[str, Mapping[str, str]]
    volumes: Sequence[dict[str, Any]]
    mounts: Sequence[dict[str, Any]]


def job_pod(
    detector: FraudDetector, task: Task, image: str, defaults: OperatorDefaults
) -> dict[str, Any]:
    """Its last words are those of its log."""
    return {
        **unprivileged(detector),
        "restartPolicy": "Never",
        "containers": [
            {
                "name": task.container,
                "image": image,
                "imagePullPolicy": defaults.image_pull_policy,
                "command": ["fraud-scorer"],
                "args": list(task.arguments),
                "resources": {key: dict(value) for key, value in task.resources.items()},
                "securityContext": restricted(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": list(task.mounts),
            }
        ],
        "volumes": list(task.volumes),
        **placement(detector),
    }
