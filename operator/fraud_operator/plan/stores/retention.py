"""The CronJob that keeps Postgres as it should be: partitions are made ahead, old idempotency keys
forgotten, and months that are old, and sealed in the archive, dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.api.audit import AuditPlace
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import RETENTION, labels_for, metadata
from fraud_operator.plan.pod_template import mount
from fraud_operator.plan.store_location import credentials_volume
from fraud_operator.plan.stores.job import Task, job_pod
from fraud_operator.plan.stores.names import (
    postgres_owner_name,
    records_keys_name,
    records_name,
)
from fraud_operator.plan.stores.records import ARCHIVE_FILE, PUBLIC_KEY, Recording
from fraud_operator.plan.types import Manifested, OperatorDefaults

CONTAINER = "retain"
_SCHEDULE = "41 1 * * *"
_LATEST_START_SECONDS = 3600
_LONGEST_SECONDS = 3 * 3600
_POSTGRES, _ARCHIVE = "/etc/fraudops/postgres", "/etc/fraudops/records"
_CREDENTIALS, _KEYS = "/etc/fraudops/records-credentials", "/etc/fraudops/records-keys"
_RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def retention_name(detector: FraudDetector) -> str:
    """Name of the CronJob."""
    return f"{detector.name}-retention"


def retention(
    detector: FraudDetector, how: Recording | None, image: str, defaults: OperatorDefaults
) -> Iterator[Manifested]:
    """None where nothing is recorded."""
    if how is None or detector.spec.postgres is None:
        return
    both = labels_for(detector, RETENTION, "retention")
    yield {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {**metadata(detector, retention_name(detector)), "labels": both},
        "spec": {
            "schedule": _SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATEST_START_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": both},
                "spec": {
                    "backoffLimit": 1,
                    "activeDeadlineSeconds": _LONGEST_SECONDS,
                    "template": {
                        "metadata": {"labels": both},
                        "spec": _pod(detector, how, image, defaults),
                    },
                },
            },
        },
    }


def _pod(
    detector: FraudDetector, how: Recording, image: str, defaults: OperatorDefaults
) -> dict[str, Any]:
    postgres = detector.spec.postgres
    external = postgres.external if postgres is not None else None
    managed = postgres.managed if postgres is not None else None
    secret = external.secret if external is not None else postgres_owner_name(detector)
    arguments = [f"--postgres={_POSTGRES}", "--by=fraud-operator"]
    if managed is not None:
        arguments.append(f"--storage={quantities.canonical_memory(managed.storage)}")
    volumes: list[dict[str, Any]] = [
        {"name": "postgres", "secret": {"secretName": secret}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    mounts = [
        mount("postgres", _POSTGRES, read_only=True),
        mount("tmp", "/tmp"),  # noqa: S108 -- the pod's own
    ]
    if how.destination is not None:
        arguments += _archive(detector, how, how.destination, volumes, mounts)
    return job_pod(
        detector,
        Task(CONTAINER, ["audit", "retain", *arguments], _RESOURCES, volumes, mounts),
        image,
        defaults,
    )


def _archive(
    detector: FraudDetector,
    how: Recording,
    destination: AuditPlace,
    volumes: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
) -> list[str]:
    """What it takes to see that a month is sealed before it goes."""
    keys = [{"key": PUBLIC_KEY, "path": PUBLIC_KEY}]
    volumes += [
        {"name": "records", "configMap": {"name": records_name(detector)}},
        {"name": "keys", "secret": {"secretName": records_keys_name(detector), "items": keys}},
    ]
    mounts += [
        mount("records", _ARCHIVE, read_only=True),
        mount("keys", _KEYS, read_only=True),
    ]
    arguments = [
        f"--hot={how.hot_days}d",
        f"--archive={_ARCHIVE}/{ARCHIVE_FILE}",
        f"--public-key={_KEYS}/{PUBLIC_KEY}",
    ]
    credentials = credentials_volume("credentials", detector, destination)
    if credentials is not None:
        arguments.append(f"--store-credentials={_CREDENTIALS}")
        volumes.append(dict(credentials))
        mounts.append(mount("credentials", _CREDENTIALS, read_only=True))
    return arguments
