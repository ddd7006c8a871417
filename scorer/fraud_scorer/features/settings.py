"""How histories are kept online. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults are those of the deployment guide, where it has one."""

    prefix: str = "features"
    """Of all keys; a Redis of several detectors needs one for each."""
    ttl: float = 3600.0
    """An entity that is not seen for so long leaves Redis (`features.cacheTTL`), give or take a
    tenth, so that those who came together do not leave together."""
    retries: float = 3600.0
    """How long a transaction is remembered by its id. One that happened before that and comes now
    is left to Postgres to count."""
    settle: float = 60.0
    """How long it may take from an answer until Postgres knows of it."""
    history_deadline: float = 0.020
    rebuilds: int = 16
    """Histories read from Postgres at once; who comes beyond that gets the population's values."""
    retry_rebuild: float = 5.0
    """For how long an entity whose history could not be read is not tried again."""
