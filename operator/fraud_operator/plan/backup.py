"""The CronJobs that back a detector's models up: one copies, one looks after what pods fetch.

Both run the same program (`fraud-scorer backup`), never two of a kind at once, and read the plan
that pods follow when they start: the version that is active then is the one that they see to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fraud_operator.api.backup import ModelBackup
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import (
    BACKUP,
    labels_for,
    management_name,
    metadata,
    model_plan_name,
    siblings_name,
)
from fraud_operator.plan.pod_template import (
    MANAGEMENT_PORT,
    TERMINATION_LOG,
    environment,
    mount,
    placement,
    restricted,
    unprivileged,
)
from fraud_operator.plan.store_location import artifacts_of, credentials_volume, location_of
from fraud_operator.plan.types import Manifested, OperatorDefaults
from fraud_scorer.artifact.digest import canonical_json

MIRROR, HEAL = "model-backup", "model-heal"
CONTAINER = "backup"

DEFAULT_SCHEDULE = "0 3 * * *"
DEFAULT_HEAL_SCHEDULE = "17 * * * *"
DEFAULT_RETENTION_DAYS = 30

_PLAN, _TOKEN = "/etc/fraudops/plan", "/etc/fraudops/management"
_STORE, _BACKUP = "/etc/fraudops/store-credentials", "/etc/fraudops/backup-credentials"
_LATEST_START_SECONDS = 3600
_LONGEST_SECONDS = 3 * 3600
_KEPT = 1
_ROOM = "8Gi"
_REQUESTS = {"cpu": "50m", "memory": "128Mi"}
_MEMORY = "512Mi"


def backup_name(detector: FraudDetector, what: str) -> str:
    """Name of the CronJob."""
    return f"{detector.name}-{what}"


def backups(
    detector: FraudDetector, image: str, defaults: OperatorDefaults
) -> Iterator[Manifested]:
    """The CronJobs; none where nothing is to be backed up."""
    wanted = detector.spec.model.backup
    if wanted is None:
        return
    both = labels_for(detector, BACKUP, "backup")
    for what, schedule in (
        (MIRROR, wanted.schedule or DEFAULT_SCHEDULE),
        (HEAL, wanted.heal_schedule or DEFAULT_HEAL_SCHEDULE),
    ):
        spec: dict[str, Any] = {
            "schedule": schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATEST_START_SECONDS,
            "successfulJobsHistoryLimit": _KEPT,
            "failedJobsHistoryLimit": _KEPT,
            "jobTemplate": {
                "metadata": {"labels": both},
                "spec": {
                    "backoffLimit": 2,
                    "activeDeadlineSeconds": _LONGEST_SECONDS,
                    "template": {
                        "metadata": {"labels": both},
                        "spec": _pod(detector, wanted, image, defaults, heal_only=what == HEAL),
                    },
                },
            },
        }
        if wanted.time_zone:
            spec["timeZone"] = wanted.time_zone
        yield {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata(detector, backup_name(detector, what)),
            "spec": spec,
        }


def _pod(
    detector: FraudDetector,
    wanted: ModelBackup,
    image: str,
    defaults: OperatorDefaults,
    *,
    heal_only: bool,
) -> dict[str, Any]:
    store, destination = artifacts_of(detector), wanted.destination
    arguments = [
        f"--plan={_PLAN}/plan.json",
        f"--store={_json(location_of(detector, store))}",
        f"--store-credentials={_STORE}",
        f"--backup={_json(location_of(detector, destination))}",
        f"--backup-credentials={_BACKUP}",
        f"--retention={wanted.retention_days or DEFAULT_RETENTION_DAYS}",
        f"--siblings={siblings_name(detector)}.{detector.namespace}.svc:{MANAGEMENT_PORT}",
        f"--management-token={_TOKEN}",
        f"--termination-log={TERMINATION_LOG}",
        *(["--heal-only"] if heal_only else []),
    ]
    items = [{"key": "plan.json", "path": "plan.json"}]
    volumes: list[dict[str, Any]] = [
        {"name": "plan", "configMap": {"name": model_plan_name(detector), "items": items}},
        {"name": "management", "secret": {"secretName": management_name(detector)}},
        {"name": "tmp", "emptyDir": {"sizeLimit": _ROOM}},
    ]
    mounts = [
        mount("plan", _PLAN, read_only=True),
        mount("management", _TOKEN, read_only=True),
        mount("tmp", "/tmp"),  # noqa: S108 -- the pod's own
    ]
    for name, place, path in (("store", store, _STORE), ("backup", destination, _BACKUP)):
        volume = credentials_volume(name, detector, place)
        if volume is not None:
            volumes.append(dict(volume))
            mounts.append(mount(name, path, read_only=True))
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["fraud-scorer"],
        "args": ["backup", *arguments],
        "resources": {"requests": dict(_REQUESTS), "limits": {"memory": _MEMORY}},
        "securityContext": restricted(),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
        **environment(detector),
    }
    return {
        **unprivileged(detector),
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": volumes,
        **placement(detector),
    }


def _json(value: object) -> str:
    return canonical_json(value).decode()
