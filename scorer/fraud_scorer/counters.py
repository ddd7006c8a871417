"""Counters in memory that several processes share: one writes, others read, nobody waits.

    slot 0 | slot 1 | …                     one a process
    a slot = state | directory | cells

A process counts in the cells of its own slot, which are plain doubles, and says in the slot's
directory what each of them is: a line of JSON a series, complete before the directory's length says
that it is there. A slot outlives its process. The process that takes its place finds the series in
the directory and counts on, so that a counter never goes back; only what was true of the dead
process alone, its gauges, is set to zero.
"""

from __future__ import annotations

import logging
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

K = TypeVar("K")

_STATE_CELLS = 16
_DIRECTORY_BYTES = 1024 * 1024
_CELLS = 256 * 1024
_SLOT_BYTES = (_STATE_CELLS + _CELLS) * 8 + _DIRECTORY_BYTES
"""Pages that nobody writes to cost nothing."""

_DIRECTORY_LENGTH, _HEARTBEAT = 0, 1
_SPARE = 128
"""The first cells of a slot, which nobody reads: for what has no place any more. As many as the
largest series has."""

_log = logging.getLogger(__name__)


class Series(msgspec.Struct, frozen=True, array_like=True):
    """Some adjacent cells: one for a counter or gauge, several for a histogram."""

    family: str
    labels: tuple[str, ...]
    first: int
    size: int
    gauge: bool


class Slot:
    """What one process counts."""

    def __init__(self, memory: memoryview) -> None:
        directory = _STATE_CELLS * 8
        self._state = memory[:directory].cast("d")
        self._directory = memory[directory : directory + _DIRECTORY_BYTES]
        self.cells = memory[directory + _DIRECTORY_BYTES :].cast("d")
        """Written by the slot's own process only: `cells[first] += 1`."""

    def take(
        self, family: str, labels: Sequence[str], *, size: int = 1, gauge: bool = False
    ) -> int:
        """The first of the cells of a series, where a former process left it or new."""
        wanted = tuple(labels)
        free = _SPARE
        for series in self.series():
            if series.family == family and series.labels == wanted:
                return series.first
            free = series.first + series.size
        line = msgspec.json.encode(Series(family, wanted, free, size, gauge)) + b"\n"
        length = int(self._state[_DIRECTORY_LENGTH])
        if length + len(line) > _DIRECTORY_BYTES or free + size > _CELLS:
            _log.warning("no room to count %s by %s: it is not counted", family, wanted)
            return 0
        self._directory[length : length + len(line)] = line
        self._state[_DIRECTORY_LENGTH] = length + len(line)
        return free

    def counted(self, series: Series) -> Sequence[float]:
        """What its cells hold now."""
        return self.cells[series.first : series.first + series.size].tolist()

    def series(self) -> Iterator[Series]:
        """All that is counted here."""
        length = int(self._state[_DIRECTORY_LENGTH])
        for line in bytes(self._directory[:length]).splitlines():
            yield msgspec.json.decode(line, type=Series)

    @property
    def heartbeat(self) -> float:
        """When the process last said that it turns (monotonic clock); 0 where it never did."""
        return self._state[_HEARTBEAT]

    @heartbeat.setter
    def heartbeat(self, now: float) -> None:
        self._state[_HEARTBEAT] = now

    def bury(self) -> None:
        """Its process is dead: what was true only while it lived is true no more."""
        self.heartbeat = 0.0
        for series in self.series():
            if series.gauge:
                self.cells[series.first] = 0.0


def add(sums: dict[K, list[float]], key: K, cells: Sequence[float]) -> None:
    """Add these, one by one, to the sums of that key."""
    before = sums.get(key)
    sums[key] = (
        list(cells) if before is None else [a + b for a, b in zip(before, cells, strict=True)]
    )


class SharedCounters:
    """The memory, as the process that made it sees it. `file` is inherited by those that write."""

    def __init__(self, slots: int) -> None:
        self.file = _memory_file()
        os.ftruncate(self.file, slots * _SLOT_BYTES)
        self._memory = memoryview(mmap.mmap(self.file, slots * _SLOT_BYTES))
        self.slots = tuple(_slot(self._memory, index) for index in range(slots))


def slot(file: int, index: int) -> Slot:
    """A slot of memory that another process made."""
    return _slot(memoryview(mmap.mmap(file, os.fstat(file).st_size)), index)


def _slot(memory: memoryview, index: int) -> Slot:
    return Slot(memory[index * _SLOT_BYTES : (index + 1) * _SLOT_BYTES])


def _memory_file() -> int:
    """A file without a name, in memory where the system can."""
    if sys.platform == "linux":
        return os.memfd_create("fraud-scorer-counters")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
