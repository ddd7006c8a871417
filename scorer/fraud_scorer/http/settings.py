"""How a process serves, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.limits import Limits
from fraud_scorer.ledger.writer import Recording


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The stores beside the model; times are seconds. `redis` and `postgres` are the folders of
    mounted Secrets, read anew at each connection; None: there is none. `subject` is the kind of
    entity that is a person. `archive` is the file that says where old records are, `seal_key` that
    of its seals."""

    detector: str = ""
    redis: Path | None = None
    postgres: Path | None = None
    features_ttl: float = 3600.0
    redis_timeout: float = 0.005
    history_timeout: float = 0.020
    history_connections: int = 2
    lookup_connections: int = 1
    subject: str = "customer"
    archive: Path | None = None
    archive_credentials: Path | None = None
    seal_key: Path | None = None


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Where records are spooled (`limit` bytes at the most), of whom, and how."""

    folder: Path
    limit: int
    detector: str
    recording: Recording


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What decides besides the thresholds. `key` is a file; `share` a decimal string."""

    lists: bool = False
    share: str = "0"
    key: Path | None = None
    most_minor: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are seconds.

    `drain`: how long to go on answering after SIGTERM, until no load balancer sends any more.
    `shutdown`: how long to wait for requests under way after that. `patience`: after which time an
    answer is worth nothing. `lag`: how long a request may wait in its socket before it is turned
    away. `data`: the file of the embedded default, which stands in for stores and records.
    """

    listen: tuple[str, int]
    drain: float = 5.0
    shutdown: float = 20.0
    patience: float = 2.0
    lag: float = 0.5
    limits: Limits = field(default_factory=Limits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    stores: StoreSettings = field(default_factory=StoreSettings)
    records: RecordSettings | None = None
    rules: RuleSettings = field(default_factory=RuleSettings)
    data: Path | None = None
