"""How answers are recorded: `spec.audit` with its defaults, and the keys that seal records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fraud_operator.api import quantities
from fraud_operator.api.audit import Audit, AuditPlace
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import POSTGRES, metadata
from fraud_operator.plan.generated import PublicKey, Random, SigningKey, Value
from fraud_operator.plan.store_location import location_of
from fraud_operator.plan.stores.names import kept_metadata, records_keys_name, records_name
from fraud_operator.plan.types import Desired, Manifested
from fraud_scorer.artifact.digest import canonical_json

DEFAULT_HOT, DEFAULT_RETENTION = "90d", "7y"
DEFAULT_SPOOL = "1Gi"
DEFAULT_SUBJECT = "customer"
SEAL_KEY, PUBLIC_KEY, APPROVALS_KEY = "seal.key", "seal.pub", "random-approvals.key"
ARCHIVE_FILE, RETENTION_FILE = "archive.json", "retention"

SEGMENT_BYTES = 8 << 20
"""Of the spool; each serving process needs room for two."""
POSTGRES_BYTES = 1700
"""That one transaction takes there, with its prediction, audit record and indexes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`spec.audit` with its defaults."""

    hot_days: int
    retention_days: int
    durability: str
    when_full: str
    spool: str
    subject: str
    destination: AuditPlace | None

    @property
    def spool_bytes(self) -> int:
        """Of one pod."""
        return int(quantities.bytes_of(self.spool))


def recording(detector: FraudDetector) -> Recording | None:
    """None where nothing is recorded."""
    spec = detector.spec
    if spec.postgres is None:
        return None
    audit = spec.audit or Audit()
    return Recording(
        hot_days=quantities.days(audit.hot or DEFAULT_HOT),
        retention_days=quantities.days(audit.retention or DEFAULT_RETENTION),
        durability=audit.durability or "Spooled",
        when_full=audit.when_full or "Block",
        spool=quantities.canonical_memory(audit.spool or DEFAULT_SPOOL),
        subject=audit.subject or DEFAULT_SUBJECT,
        destination=audit.destination,
    )


def spool_problem(how: Recording, processes: int) -> str:
    """Why the spool is too small for so many serving processes; empty where it is not."""
    least = 2 * processes * SEGMENT_BYTES
    if how.spool_bytes >= least:
        return ""
    return (
        f"spec.audit.spool is {how.spool}, and {processes} processes in a pod need"
        f" {least >> 20}Mi: raise it, or lower spec.scorer.resources.requests.cpu"
    )


def hot_bytes(how: Recording, per_day: int) -> int:
    """What `hot` of that many transactions a day takes in Postgres."""
    return per_day * how.hot_days * POSTGRES_BYTES


def records(detector: FraudDetector, how: Recording | None) -> Iterator[Desired]:
    """The keys, and where the archive is."""
    destination = how.destination if how is not None else None
    if how is not None and destination is not None:
        yield Desired(_archive(detector, how, destination), component="records", phase=0)
    if destination is not None or detector.spec.scoring.random_approvals is not None:
        yield Desired(
            _keys(detector, destination),
            component="records",
            phase=0,
            generated=_values(),
            kept=True,
        )


def _archive(detector: FraudDetector, how: Recording, destination: AuditPlace) -> Manifested:
    where = canonical_json(location_of(detector, destination)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(detector, records_name(detector)),
        "data": {ARCHIVE_FILE: where, RETENTION_FILE: f"{how.retention_days}d"},
    }


def _keys(detector: FraudDetector, destination: AuditPlace | None) -> Manifested:
    """They outlive the detector where its archive does: nothing else tells a seal from a forgery.
    Otherwise they go with what is in Postgres."""
    postgres = detector.spec.postgres
    managed = postgres.managed if postgres is not None else None
    deleted = managed is not None and managed.retention == "Delete"
    name, retained = records_keys_name(detector), destination is not None or not deleted
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(detector, POSTGRES, name, retained=retained),
        "type": "Opaque",
    }


def _values() -> dict[str, Value]:
    return {
        SEAL_KEY: SigningKey(),
        PUBLIC_KEY: PublicKey(SEAL_KEY),
        APPROVALS_KEY: Random(),
    }
