"""What a request costs each of those who have a part in it, in processor time: who limits the rate,
and who could not.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import usage
from bench.records.stores import Stores
from bench.scorer.load import Load
from bench.scorer.running import Running, family


@dataclass(frozen=True)
class Spent:
    """Microseconds a request. Postgres is all its processes, so also what it does for others."""

    server: float = 0.0
    generator: float = 0.0
    redis: float = 0.0
    postgres: float = 0.0
    shipper: float = 0.0


class Meter:
    """Reads what everybody has spent, before and after a load."""

    def __init__(self, one: Running, stores: Stores) -> None:
        self._one, self._stores = one, stores
        self._before = self._read()

    def of(self, load: Load) -> Spent:
        """For each request since this was made; all of them are that load's."""
        spent = [after - before for after, before in zip(self._read(), self._before, strict=True)]
        server, redis, postgres, shipper = (max(one, 0.0) / load.all * 1e6 for one in spent)
        return Spent(server, load.cpu / load.rate * 1e6, redis, postgres, shipper)

    def _read(self) -> tuple[float, float, float, float]:
        shipping = shippers(self._one)
        return (
            self._one.cpu_seconds(without=shipping),
            usage.cpu_seconds(self._stores.redis.pid),
            _seconds(family(self._stores.postgres.pid)),
            _seconds(shipping),
        )


def shippers(one: Running) -> list[int]:
    """The processes of a server that ship its records."""
    return [
        pid
        for pid in one.family()
        if b"ship" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def _seconds(processes: Iterable[int]) -> float:
    total = 0.0
    for pid in processes:
        with suppress(OSError):
            total += usage.cpu_seconds(pid)
    return total
