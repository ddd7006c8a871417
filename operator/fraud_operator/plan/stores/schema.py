"""The schema of what is recorded: the Job that brings it up to date before scorers are rolled out,
and how far that is.

A Job is named by the image that knows the schema, and by the database that gets it: for another of
either there is another Job. It goes forward only, and scorers of the release before go on working;
so it runs first, and the new pods' template waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.store_status import SchemaState
from fraud_operator.plan.children import SCHEMA, labels_for, metadata
from fraud_operator.plan.pod_template import mount
from fraud_operator.plan.stores.job import Task, job_pod
from fraud_operator.plan.stores.names import (
    claim_name,
    postgres_app_name,
    postgres_owner_name,
)
from fraud_operator.plan.stores.postgres import LOGIN
from fraud_operator.plan.types import Inputs, Manifested, OperatorDefaults
from fraud_scorer.artifact.digest import canonical_json, sha256_hex
from fraud_scorer.artifact.features import LabelRate, Window

CONTAINER = "migrate"
RETRY_SECONDS = 600.0
"""After which a Job that failed is made anew."""

_POSTGRES, _APP = "/etc/fraudops/postgres", "/etc/fraudops/postgres-app"
_DIGITS = 10
_LONGEST_SECONDS = 3600
_TRIES = 4
_RESOURCES = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
_ALWAYS_INDEXED = "customer"
"""The kind of entity whose histories are found without an index of its own."""


@dataclass(frozen=True, slots=True)
class Schema:
    """How far it is."""

    state: SchemaState
    name: str
    made: Manifested | None
    """The Job, where it is to be made now."""
    stays: bool
    """Whether the Job that is there is to stay."""
    message: str = ""

    @property
    def is_up_to_date(self) -> bool:
        """Whether scorers of this image can be rolled out."""
        return self.state == "UpToDate"


def schema(inputs: Inputs, image: str, kinds: Sequence[str], *, reachable: bool) -> Schema | None:
    """None where there is no Postgres. `reachable`: it takes connections, as far as is known."""
    detector = inputs.detector
    if detector.spec.postgres is None:
        return None
    name = _name(inputs, image, kinds)
    job = inputs.observed.children.get(("Job", name))
    ended = _ended(job)
    if job is not None and ended == "Complete":
        return Schema("UpToDate", name, None, stays=True)
    if job is not None and ended == "Failed":
        said = _said(inputs.observed.migrations, job) or "it ended without a word; see its log"
        return Schema(
            "Failed", name, None, stays=_age(job, inputs.now) < RETRY_SECONDS, message=said
        )
    if job is not None:
        return Schema(
            "Migrating", name, None, stays=True, message=_said(inputs.observed.migrations, job)
        )
    if not reachable:
        return Schema("Waiting", name, None, stays=False)
    return Schema(
        "Migrating", name, _job(detector, name, image, kinds, inputs.defaults), stays=True
    )


def entity_kinds(inputs: Inputs) -> list[str]:
    """The kinds of entities that published models keep histories of: each is found by an index."""
    found = {
        feature.source.entity
        for version in inputs.store.versions
        if version.manifest is not None
        for feature in version.manifest.features
        if isinstance(feature.source, Window | LabelRate)
    }
    return sorted(found - {_ALWAYS_INDEXED})


def _name(inputs: Inputs, image: str, kinds: Sequence[str]) -> str:
    detector = inputs.detector
    postgres = detector.spec.postgres
    external = postgres.external if postgres is not None else None
    claim = inputs.observed.children.get(("PersistentVolumeClaim", claim_name(detector))) or {}
    target = {
        "image": image,
        "secret": external.secret if external is not None else "",
        # Another volume is another, empty database.
        "volume": claim.get("metadata", {}).get("uid", "") if external is None else "",
        "kinds": list(kinds),
    }
    return f"{detector.name}-schema-{sha256_hex(canonical_json(target))[:_DIGITS]}"


def _job(
    detector: FraudDetector,
    name: str,
    image: str,
    kinds: Sequence[str],
    defaults: OperatorDefaults,
) -> Manifested:
    both = labels_for(detector, SCHEMA, "schema")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata(detector, name), "labels": both},
        "spec": {
            "backoffLimit": _TRIES - 1,
            "activeDeadlineSeconds": _LONGEST_SECONDS,
            "template": {
                "metadata": {"labels": both},
                "spec": _pod(detector, image, kinds, defaults),
            },
        },
    }


def _pod(
    detector: FraudDetector, image: str, kinds: Sequence[str], defaults: OperatorDefaults
) -> dict[str, Any]:
    postgres = detector.spec.postgres
    external = postgres.external if postgres is not None else None
    arguments = [f"--postgres={_POSTGRES}", *(f"--entity={kind}" for kind in kinds)]
    mounts = [mount("postgres", _POSTGRES, read_only=True), mount("tmp", "/tmp")]  # noqa: S108
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if external is not None:
        # Whose it is also owns the tables: roles belong to the whole server, which is not ours.
        arguments.append("--no-roles")
        volumes.append({"name": "postgres", "secret": {"secretName": external.secret}})
    else:
        arguments.append(f"--login-password={LOGIN}={_APP}/password")
        mounts.append(mount("app", _APP, read_only=True))
        owner, app = postgres_owner_name(detector), postgres_app_name(detector)
        items = [{"key": "password", "path": "password"}]
        volumes.append({"name": "postgres", "secret": {"secretName": owner}})
        volumes.append({"name": "app", "secret": {"secretName": app, "items": items}})
    return job_pod(
        detector,
        Task(CONTAINER, ["migrate", *arguments], _RESOURCES, volumes, mounts),
        image,
        defaults,
    )


def _ended(job: Manifested | None) -> str:
    conditions = ((job or {}).get("status") or {}).get("conditions") or ()
    return next((one["type"] for one in conditions if one["status"] == "True"), "")


def _age(job: Manifested, now: datetime) -> float:
    created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    return (now - created).total_seconds()


def _said(pods: Iterable[Manifested], job: Manifested) -> str:
    """The last words of the last try that has any."""
    words = [
        message
        for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"])
        if _is_of(pod, job)
        for container in pod["status"].get("containerStatuses") or ()
        if (message := _last_words(container))
    ]
    return words[-1] if words else ""


def _last_words(container: Manifested) -> str:
    ended = (container.get("state") or {}).get("terminated") or {}
    if not ended or ended.get("exitCode") == 0:
        return ""
    lines = (ended.get("message") or "").strip().splitlines()
    return lines[-1] if lines else f"exit code {ended.get('exitCode')} ({ended.get('reason', '')})"


def _is_of(pod: Manifested, job: Manifested) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == job["metadata"]["uid"] for one in owners)
