"""One spec that each rule accepts, and one that it refuses with this message.

Checked twice: against the rules in code (unit) and against a real API server (integration).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.api.names import QUALIFIED

MINIMAL: Mapping[str, Any] = {"model": {"source": {"s3": {"bucket": "fraud-models"}}}}
_KEYS = f"keys must have at most 253 characters and match {QUALIFIED}"


@dataclass(frozen=True)
class Case:
    """`accepted` and `refused` are laid over the smallest spec; None takes a field away.

    `in_code` is what the operator says where it can say it better than a rule of the CRD.
    """

    name: str
    message: str
    accepted: Mapping[str, Any]
    refused: Mapping[str, Any]
    in_code: str = ""


def merged(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest spec with these changes."""
    return _merge(copy.deepcopy(dict(MINIMAL)), changes)


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
    return into


def _resources(what: str, requests: Any, limits: Any) -> dict[str, Any]:
    return {"scorer": {"resources": {"requests": {what: requests}, "limits": {what: limits}}}}


def _s3(**fields: Any) -> dict[str, Any]:
    return {"model": {"source": {"s3": fields}}}


def _authorities(*kinds: str) -> dict[str, Any]:
    return _s3(caBundle={kind: {"name": "authorities"} for kind in kinds})


def _of_redis(what: str, requests: Any, limits: Any) -> dict[str, Any]:
    both = {"requests": {what: requests}, "limits": {what: limits}}
    return {"redis": {"managed": {"resources": both}}}


def _of_postgres(what: str, requests: Any, limits: Any) -> dict[str, Any]:
    both = {"requests": {what: requests}, "limits": {what: limits}}
    return {"postgres": {"managed": {"storage": "1Gi", "resources": both}}}


def _approvals(share: str) -> dict[str, Any]:
    return {"scoring": {"randomApprovals": {"share": share, "maxAmountMinor": 5000}}}


_POSTGRES: Mapping[str, Any] = {"postgres": {"managed": {"storage": "1Gi"}}}
_ARCHIVED: Mapping[str, Any] = {"destination": {"gcs": {"bucket": "b-1"}}}

CASES = (
    Case(
        "one-kind-of-artifacts",
        "spec.model.artifacts: set exactly one of s3, gcs, pvc",
        {"model": {"artifacts": {"pvc": {"claimName": "models"}}}},
        {"model": {"artifacts": {"gcs": {"bucket": "b-1"}, "pvc": {"claimName": "models"}}}},
    ),
    Case(
        "one-kind-of-backup",
        "spec.model.backup.destination: set exactly one of s3, gcs, pvc",
        {"model": {"backup": {"destination": {"gcs": {"bucket": "b-1"}}}}},
        {"model": {"backup": {"destination": {}}}},
    ),
    Case(
        "one-ca-bundle",
        "caBundle: set exactly one of configMap, secret",
        _authorities("configMap"),
        _authorities("configMap", "secret"),
    ),
    Case(
        "kms-key-needs-kms",
        "serverSideEncryption.kmsKeyID needs the algorithm aws:kms or aws:kms:dsse",
        _s3(serverSideEncryption={"algorithm": "aws:kms", "kmsKeyID": "alias/models"}),
        _s3(serverSideEncryption={"algorithm": "AES256", "kmsKeyID": "alias/models"}),
    ),
    Case(
        "autoscaling-forbids-replicas",
        "spec.scorer.replicas cannot be set beside spec.autoscaling:"
        " set spec.autoscaling.minReplicas instead (and remove spec.scorer.replicas)",
        {"autoscaling": {"minReplicas": 3}, "scorer": {"image": "a"}},
        {"autoscaling": {"minReplicas": 3}, "scorer": {"replicas": 3}},
    ),
    Case(
        "one-source",
        "spec.model.source: set exactly one of s3, gcs, pvc",
        {},
        {"model": {"source": {"s3": None}}},
    ),
    Case(
        "sync-interval-too-long",
        "spec.model.syncInterval must be at most 24h",
        {"model": {"syncInterval": "1440m"}},
        {"model": {"syncInterval": "25h"}},
    ),
    Case(
        "canary-steps-once",
        "spec.model.rollout.canary.steps must have each percentage once",
        {"model": {"rollout": {"strategy": "Canary", "canary": {"steps": [1, 10]}}}},
        {"model": {"rollout": {"strategy": "Canary", "canary": {"steps": [1, 10, 1]}}}},
    ),
    Case(
        "canary-with-its-strategy",
        "spec.model.rollout.canary goes only with strategy Canary",
        {"model": {"rollout": {"strategy": "Canary", "canary": {"minRequests": 1}}}},
        {"model": {"rollout": {"canary": {"minRequests": 1}}}},
    ),
    Case(
        "shadow-with-its-strategy",
        "spec.model.rollout.shadow goes only with strategy Shadow",
        {"model": {"rollout": {"strategy": "Shadow", "shadow": {"duration": "1h"}}}},
        {"model": {"rollout": {"strategy": "Canary", "shadow": {"duration": "1h"}}}},
    ),
    Case(
        "tolerances-with-a-comparison",
        "spec.model.rollout.tolerances goes only with strategy Canary or Shadow",
        {"model": {"rollout": {"strategy": "Shadow", "tolerances": {"latency": "1.5"}}}},
        {"model": {"rollout": {"strategy": "Immediate", "tolerances": {"errors": "0"}}}},
    ),
    Case(
        "review-below-decline",
        "spec.scoring.thresholds.review must be less than decline",
        {"scoring": {"thresholds": {"review": "0.499999999", "decline": "0.5"}}},
        {"scoring": {"thresholds": {"review": "0.5", "decline": "0.50"}}},
    ),
    Case(
        "capacity-within-the-table",
        "spec.capacity.transactionsPerDay must be at most 1B;"
        " split larger traffic over several detectors",
        {"capacity": {"transactionsPerDay": "1B"}},
        {"capacity": {"transactionsPerDay": "1.001B"}},
    ),
    Case(
        "capacity-in-millions",
        "spec.capacity.transactionsPerDay must be at most 1B;"
        " split larger traffic over several detectors",
        {"capacity": {"transactionsPerDay": "1000M"}},
        {"capacity": {"transactionsPerDay": "1001M"}},
    ),
    Case(
        "capacity-as-a-number",
        "spec.capacity.transactionsPerDay must be at most 1B;"
        " split larger traffic over several detectors",
        {"capacity": {"transactionsPerDay": 120_000}},
        {"capacity": {"transactionsPerDay": "1000000001"}},
    ),
    Case(
        "cpu-request-within-its-limit",
        "spec.scorer.resources.requests.cpu must not be greater than limits.cpu",
        _resources("cpu", "1999m", 2),
        _resources("cpu", 2, "1.999"),
    ),
    Case(
        "memory-request-within-its-limit",
        "spec.scorer.resources.requests.memory must not be greater than limits.memory",
        _resources("memory", "1024Mi", "1Gi"),
        _resources("memory", "1Gi", "1.073G"),
    ),
    Case(
        "autoscaling-bounds",
        "spec.autoscaling.minReplicas must not be greater than maxReplicas",
        {"autoscaling": {"minReplicas": 5, "maxReplicas": 5}},
        {"autoscaling": {"minReplicas": 6, "maxReplicas": 5}},
    ),
    Case(
        "toleration-of-everything",
        "spec.scorer.tolerations: without a key the operator must be Exists",
        {"scorer": {"tolerations": [{"operator": "Exists"}]}},
        {"scorer": {"tolerations": [{"effect": "NoSchedule"}]}},
    ),
    Case(
        "toleration-without-a-value",
        "spec.scorer.tolerations: with the operator Exists there is no value",
        {"scorer": {"tolerations": [{"key": "a", "value": "b"}]}},
        {"scorer": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
    ),
    Case(
        "toleration-for-a-while",
        "spec.scorer.tolerations: tolerationSeconds goes only with effect NoExecute",
        {"scorer": {"tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 9}]}},
        {"scorer": {"tolerations": [{"key": "a", "tolerationSeconds": 9}]}},
    ),
    Case(
        "env-with-one-value",
        "spec.scorer.extraEnv: set exactly one of value and valueFrom",
        {"scorer": {"extraEnv": [{"name": "A", "value": ""}]}},
        {"scorer": {"extraEnv": [{"name": "A"}]}},
    ),
    Case(
        "env-of-the-operator",
        "spec.scorer.extraEnv: names that begin with FRAUDOPS_ are the operator's",
        {
            "scorer": {
                "extraEnv": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "b", "key": "c"}}}
                ]
            }
        },
        {"scorer": {"extraEnv": [{"name": "FRAUDOPS_A", "value": "b"}]}},
    ),
    Case(
        "annotation-keys",
        f"spec.scorer.serviceAccountAnnotations: {_KEYS}",
        {"scorer": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:x"}}},
        {"scorer": {"serviceAccountAnnotations": {"not a name": "x"}}},
        in_code="spec.scorer.serviceAccountAnnotations.not a name: String should match",
    ),
    Case(
        "node-selector-keys",
        f"spec.scorer.nodeSelector: {_KEYS}",
        {"scorer": {"nodeSelector": {"kubernetes.io/arch": "amd64"}}},
        {"scorer": {"nodeSelector": {"-a": "x"}}},
        in_code="spec.scorer.nodeSelector.-a: String should match",
    ),
    Case(
        "one-redis",
        "spec.redis: set exactly one of managed, external",
        {"redis": {"managed": {}}},
        {"redis": {"managed": {}, "external": {"secret": "redis"}}},
    ),
    Case(
        "one-postgres",
        "spec.postgres: set exactly one of managed, external",
        {"postgres": {"external": {"secret": "records-app"}}},
        {"postgres": {}},
    ),
    Case(
        "postgres-image-of-a-version",
        "spec.postgres.managed.image needs spec.postgres.managed.version: which major version the"
        " data is of",
        {"postgres": {"managed": {"storage": "1Gi", "image": "pg:17", "version": "17"}}},
        {"postgres": {"managed": {"storage": "1Gi", "image": "pg:17"}}},
    ),
    Case(
        "redis-cpu-within-limit",
        "spec.redis.managed.resources.requests.cpu must not be greater than limits.cpu",
        _of_redis("cpu", "500m", 1),
        _of_redis("cpu", 2, "1500m"),
    ),
    Case(
        "redis-memory-within-limit",
        "spec.redis.managed.resources.requests.memory must not be greater than limits.memory",
        _of_redis("memory", "1Gi", "1Gi"),
        _of_redis("memory", "1.5Gi", "1Gi"),
    ),
    Case(
        "postgres-cpu-within-limit",
        "spec.postgres.managed.resources.requests.cpu must not be greater than limits.cpu",
        _of_postgres("cpu", "500m", 1),
        _of_postgres("cpu", 2, "1500m"),
    ),
    Case(
        "postgres-memory-within-limit",
        "spec.postgres.managed.resources.requests.memory must not be greater than limits.memory",
        _of_postgres("memory", "1Gi", "1Gi"),
        _of_postgres("memory", "1.5Gi", "1Gi"),
    ),
    Case(
        "cache-needs-redis",
        "spec.features.cacheTTL needs spec.redis",
        {"redis": {"managed": {}}, "features": {"cacheTTL": "1h"}},
        {"features": {"cacheTTL": "1h"}},
    ),
    Case(
        "audit-needs-postgres",
        "spec.audit needs spec.postgres, where answers are recorded",
        {**_POSTGRES, "audit": {"destination": {"pvc": {"claimName": "records"}}}},
        {"audit": {"destination": {"pvc": {"claimName": "records"}}}},
    ),
    Case(
        "one-kind-of-destination",
        "spec.audit.destination: set exactly one of s3, gcs, pvc",
        {**_POSTGRES, "audit": _ARCHIVED},
        {
            **_POSTGRES,
            "audit": {"destination": {"gcs": {"bucket": "b-1"}, "pvc": {"claimName": "records"}}},
        },
    ),
    Case(
        "retention-needs-a-destination",
        "spec.audit.hot and retention need spec.audit.destination: without one, records stay in"
        " Postgres",
        {**_POSTGRES, "audit": {"retention": "7y", **_ARCHIVED}},
        {**_POSTGRES, "audit": {"retention": "7y"}},
    ),
    Case(
        "hot-within-retention",
        "spec.audit.hot must not be longer than spec.audit.retention",
        {**_POSTGRES, "audit": {"hot": "365d", "retention": "1y", **_ARCHIVED}},
        {**_POSTGRES, "audit": {"hot": "366d", "retention": "1y", **_ARCHIVED}},
    ),
    Case(
        "spool-too-small",
        "spec.audit.spool must be at least 64Mi",
        {**_POSTGRES, "audit": {"spool": "64Mi"}},
        {**_POSTGRES, "audit": {"spool": "67M"}},
    ),
    Case(
        "approvals-need-postgres",
        "spec.scoring.randomApprovals needs spec.postgres, where it is recorded how likely each"
        " was",
        {**_POSTGRES, **_approvals("0.01")},
        _approvals("0.01"),
    ),
    Case(
        "approvals-few",
        'spec.scoring.randomApprovals.share must be above 0 and at most "0.05"',
        {**_POSTGRES, **_approvals("0.05")},
        {**_POSTGRES, **_approvals("0.0501")},
    ),
    Case(
        "approvals-some",
        'spec.scoring.randomApprovals.share must be above 0 and at most "0.05"',
        {**_POSTGRES, **_approvals("0.000000001")},
        {**_POSTGRES, **_approvals("0.0")},
    ),
    Case(
        "lists-need-postgres",
        "spec.scoring.lists needs spec.postgres, where lists are kept",
        {"scoring": {"lists": False}},
        {"scoring": {"lists": True}},
    ),
)


@dataclass(frozen=True)
class Change:
    """A rule on a change: `before` may become `accepted`, and may not become `refused`."""

    name: str
    message: str
    before: Mapping[str, Any]
    accepted: Mapping[str, Any]
    refused: Mapping[str, Any]


def _stored(**fields: Any) -> dict[str, Any]:
    return {"postgres": {"managed": {"storage": "10Gi", **fields}}}


CHANGES = (
    Change(
        "major-version",
        "spec.postgres.managed.version: the major version of a database that is there cannot be"
        " changed; restore a backup into a detector with the new version",
        _stored(version="17"),
        _stored(version="17.6"),
        _stored(version="18"),
    ),
    Change(
        "storage-shrinks",
        "spec.postgres.managed.storage: a volume cannot shrink; restore a backup into a detector"
        " with less storage",
        _stored(),
        _stored(storage="0.01Ti"),
        _stored(storage="10239Mi"),
    ),
    Change(
        "storage-class",
        "spec.postgres.managed.storageClass cannot be changed; restore a backup into a detector"
        " with the other class",
        _stored(storageClass="fast"),
        _stored(storageClass="fast", storage="11Gi"),
        _stored(),
    ),
)
