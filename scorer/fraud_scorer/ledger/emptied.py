"""Which rows an erasure emptied, so that nobody can empty others unseen.

An emptied row says nothing about whose it was, and the record of the erasure must not tell which
rows are one person's. So it has sums: of a digest of each row's place, for each month. All emptied
rows of a month come to the sum of all erasures; a row that nobody erased is one too many.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

_PREFIX = "emptied "
_SPACE = 1 << 256
Detail = Mapping[str, str | int | float]


class Emptied:
    """Rows of `transactions`, by the month in which they were recorded (2026-11)."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def __bool__(self) -> bool:
        return bool(self._sums)

    @property
    def months(self) -> set[str]:
        """In which there are any."""
        return set(self._sums)

    def of(self, month: str) -> tuple[int, int]:
        """How many there are, and their sum."""
        return self._sums.get(month, (0, 0))

    @property
    def rows(self) -> int:
        """Of all months."""
        return sum(count for count, _ in self._sums.values())

    def add(self, chain: UUID, sequence: int, recorded_at: datetime) -> None:
        """One more row."""
        told = b"fraudops emptied\n" + chain.bytes + sequence.to_bytes(8, "big")
        digest = int.from_bytes(hashlib.sha256(told).digest(), "big")
        self._add(month_of(recorded_at), 1, digest)

    def detail(self) -> dict[str, str | int | float]:
        """As an act's detail has it."""
        return {
            f"{_PREFIX}{month}": f"{count} {total:064x}"
            for month, (count, total) in sorted(self._sums.items())
        }

    def add_told(self, detail: Detail) -> None:
        """What an act's detail says. Raises ValueError."""
        for name, said in detail.items():
            if name.startswith(_PREFIX):
                count, _, total = str(said).partition(" ")
                self._add(name.removeprefix(_PREFIX), int(count), int(total, 16))

    def _add(self, month: str, count: int, total: int) -> None:
        before, sum_before = self._sums[month]
        self._sums[month] = before + count, (sum_before + total) % _SPACE


def month_of(recorded_at: datetime) -> str:
    """The month of a row."""
    return f"{recorded_at.astimezone(UTC):%Y-%m}"
