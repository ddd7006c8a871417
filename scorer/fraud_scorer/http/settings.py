"""How a process serves, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.http.limits import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are seconds.

    `drain`: how long to go on answering after SIGTERM, until no load balancer sends any more.
    `shutdown`: how long to wait for requests under way after that. `patience`: after which time an
    answer is worth nothing. `lag`: how long a request may wait in its socket before it is turned
    away.
    """

    listen: tuple[str, int]
    drain: float = 5.0
    shutdown: float = 20.0
    patience: float = 2.0
    lag: float = 0.5
    limits: Limits = field(default_factory=Limits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
