"""What scorer pods get of the stores: flags, Secrets as folders, a spool, and time to empty it.

A Secret is a folder that is read anew at each connection, so a rotation restarts nothing. Nothing
of this is in the template of a detector without stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.plan.pod_template import mount
from fraud_operator.plan.store_location import credentials_volume
from fraud_operator.plan.stores.names import (
    postgres_app_name,
    records_keys_name,
    records_name,
    redis_auth_name,
)
from fraud_operator.plan.stores.records import (
    APPROVALS_KEY,
    ARCHIVE_FILE,
    RETENTION_FILE,
    SEAL_KEY,
    Recording,
)
from fraud_operator.plan.stores.resolved import Stores

DEFAULT_CACHE_TTL = "1h"
SHIP_GRACE_SECONDS = 25
_AFTER_SHIPPING_SECONDS = 5

_REDIS, _POSTGRES = "/etc/fraudops/redis", "/etc/fraudops/postgres"
_ARCHIVE, _ARCHIVE_CREDENTIALS = "/etc/fraudops/records", "/etc/fraudops/records-credentials"
_KEYS = "/etc/fraudops/records-keys"
_SPOOL = "/var/spool/fraudops"
_MEBIBYTE = 1 << 20
_LOGS = 1 << 30
"""Of the container, and what else it writes."""


@dataclass(frozen=True, slots=True)
class StorePart:
    """Goes into the scorer's template, beside what every detector has."""

    arguments: tuple[str, ...]
    volumes: tuple[dict[str, Any], ...]
    mounts: tuple[dict[str, Any], ...]
    inputs: dict[str, Any]
    """What all this follows from, as the spec has it."""
    spool_limit: int
    """Bytes of the spool's volume; 0: there is none."""
    more_grace: int
    """Seconds that a pod has beyond those for its requests."""

    def resources(self, given: dict[str, dict[str, str]], others: int) -> dict[str, dict[str, str]]:
        """With room on the node's disk: as much as the spool takes is guaranteed, and with what
        `others` (bytes) may take it is the limit, beyond which a pod is evicted."""
        if not self.spool_limit:
            return given
        least = self.spool_limit + 64 * _MEBIBYTE
        most = self.spool_limit + others + _LOGS
        return {
            **given,
            "requests": {**given["requests"], "ephemeral-storage": _mebibytes(least)},
            "limits": {**given["limits"], "ephemeral-storage": _mebibytes(most)},
        }


def store_part(stores: Stores) -> StorePart | None:
    """None where a detector has no stores."""
    if not stores.any:
        return None
    parts = [
        _detector(stores),
        _redis(stores),
        _postgres(stores),
        _records(stores),
        _decisions(stores),
    ]
    how = stores.recording
    return StorePart(
        arguments=tuple(one for part in parts for one in part.arguments),
        volumes=tuple(one for part in parts for one in part.volumes),
        mounts=tuple(one for part in parts for one in part.mounts),
        inputs=_inputs(stores),
        spool_limit=_volume_limit(how) if how is not None else 0,
        more_grace=SHIP_GRACE_SECONDS + _AFTER_SHIPPING_SECONDS if how is not None else 0,
    )


_NOT_OF_THE_POD = {"hot", "retention"}


def _inputs(stores: Stores) -> dict[str, Any]:
    spec = stores.detector.spec
    found: dict[str, Any] = {
        "redis": spec.redis and (spec.redis.external.secret if spec.redis.external else ""),
        "postgres": spec.postgres
        and (spec.postgres.external.secret if spec.postgres.external else ""),
        "features": spec.features.model_dump(by_alias=True, exclude_defaults=True),
        "audit": spec.audit
        and spec.audit.model_dump(by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_POD),
        "scoring": spec.scoring.model_dump(
            by_alias=True, exclude_defaults=True, include={"random_approvals", "lists"}
        ),
        "pools": stores.budget and [stores.budget.pools.history, stores.budget.pools.lookups],
    }
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Part:
    arguments: list[str]
    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]


def _nothing() -> _Part:
    return _Part([], [], [])


def _detector(stores: Stores) -> _Part:
    return _Part([f"--detector={stores.detector.name}"], [], [])


def _redis(stores: Stores) -> _Part:
    spec = stores.detector.spec
    if spec.redis is None:
        return _nothing()
    if spec.redis.external is not None:
        secret: dict[str, Any] = {"secretName": spec.redis.external.secret}
    else:
        keys = ("host", "port", "username", "password")
        secret = {"secretName": redis_auth_name(stores.detector), "items": _items(*keys)}
    ttl = quantities.seconds(spec.features.cache_ttl or DEFAULT_CACHE_TTL)
    return _Part(
        [f"--redis={_REDIS}", f"--features-ttl={ttl}"],
        [{"name": "redis", "secret": secret}],
        [mount("redis", _REDIS, read_only=True)],
    )


def _postgres(stores: Stores) -> _Part:
    spec = stores.detector.spec
    if spec.postgres is None or stores.budget is None:
        return _nothing()
    external = spec.postgres.external
    secret = external.secret if external is not None else postgres_app_name(stores.detector)
    pools = stores.budget.pools
    histories = [f"--history-connections={pools.history}"] if spec.redis is not None else []
    return _Part(
        [f"--postgres={_POSTGRES}", *histories, f"--lookup-connections={pools.lookups}"],
        [{"name": "postgres", "secret": {"secretName": secret}}],
        [mount("postgres", _POSTGRES, read_only=True)],
    )


def _records(stores: Stores) -> _Part:
    how = stores.recording
    if how is None:
        return _nothing()
    part = _Part(
        [
            f"--records={_SPOOL}",
            f"--records-limit={how.spool}",
            f"--durability={how.durability}",
            f"--when-full={how.when_full.lower()}",
            f"--subject={how.subject}",
            f"--ship-grace={SHIP_GRACE_SECONDS}",
        ],
        [{"name": "spool", "emptyDir": {"sizeLimit": _mebibytes(_volume_limit(how))}}],
        [mount("spool", _SPOOL)],
    )
    if how.destination is not None:
        _archive(stores, how, part)
    return part


def _archive(stores: Stores, how: Recording, part: _Part) -> None:
    detector, place = stores.detector, how.destination
    assert place is not None, "there is one, or there is no archive"  # noqa: S101
    part.arguments.append(f"--archive={_ARCHIVE}/{ARCHIVE_FILE}")
    # A file, so that a longer time restarts no pod.
    part.arguments.append(f"--archive-retention={_ARCHIVE}/{RETENTION_FILE}")
    part.volumes.append({"name": "records", "configMap": {"name": records_name(detector)}})
    part.mounts.append(mount("records", _ARCHIVE, read_only=True))
    credentials = credentials_volume("records-credentials", detector, place)
    if credentials is not None:
        part.arguments.append(f"--archive-credentials={_ARCHIVE_CREDENTIALS}")
        part.volumes.append(dict(credentials))
        part.mounts.append(mount("records-credentials", _ARCHIVE_CREDENTIALS, read_only=True))
    part.arguments.append(f"--seal-key={_KEYS}/{SEAL_KEY}")


def _decisions(stores: Stores) -> _Part:
    scoring = stores.detector.spec.scoring
    part, keys = _nothing(), []
    if stores.recording is not None and stores.recording.destination is not None:
        keys.append(SEAL_KEY)
    if scoring.lists:
        part.arguments.append("--lists")
    if (drawn := scoring.random_approvals) is not None:
        keys.append(APPROVALS_KEY)
        part.arguments.append(f"--random-approvals={drawn.share}")
        part.arguments.append(f"--random-approvals-key={_KEYS}/{APPROVALS_KEY}")
        part.arguments.append(f"--random-approvals-max={drawn.max_amount_minor}")
    if keys:
        secret = {"secretName": records_keys_name(stores.detector), "items": _items(*keys)}
        part.volumes.append({"name": "records-keys", "secret": secret})
        part.mounts.append(mount("records-keys", _KEYS, read_only=True))
    return part


def _volume_limit(how: Recording) -> int:
    """The writer keeps to the spool's limit; a kubelet that counts a little more must not evict."""
    return how.spool_bytes + max(32 * _MEBIBYTE, how.spool_bytes // 8)


def _items(*keys: str) -> list[dict[str, str]]:
    return [{"key": key, "path": key} for key in keys]


def _mebibytes(size: int) -> str:
    return quantities.canonical_memory(f"{-(-size // _MEBIBYTE)}Mi")
