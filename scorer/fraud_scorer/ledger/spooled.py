"""The spool, as whoever ships it sees it: chains that grow while they are read.

What is read was checked: each link follows the one before it, and personal data is what its entry
commits to. A chain whose process is gone is put in order: its last segment is cut at the last whole
frame and gets its final name.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.segment import (
    CLOSED,
    HEADER_BYTES,
    OPEN,
    Header,
    Scan,
    file_name,
    read_header,
    scan,
)
from fraud_scorer.ledger.spool import LOCK, Spool, sync_folder

_STRETCH = 1 << 20
"""Bytes that are read at once; more where a single frame is larger."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """How far a chain was read."""

    number: int
    offset: int
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class SpooledSegment:
    """A segment in the spool."""

    path: Path
    header: Header
    closed: bool

    def links(self) -> list[Link]:
        """All that it holds. Reads the whole file. Raises DamagedSegment."""
        frames = self.path.read_bytes()[HEADER_BYTES:]
        found = scan(frames, self.header.first, self.header.previous, complete=True)
        if found.torn:
            raise DamagedSegment(self.path, self.header.first + len(found.links))
        return found.links


class DamagedSegment(Exception):
    """A complete segment whose entries do not follow from one another."""

    def __init__(self, path: Path, sequence: int) -> None:
        super().__init__(
            f"{path} was changed or damaged at entry {sequence}: keep the file, and find out who"
            " writes there; what comes after it cannot be believed"
        )


class SpooledChain:
    """One chain's folder."""

    def __init__(self, spool: Spool, chain: UUID) -> None:
        self.chain = chain
        self.folder = spool.folder_of(chain)

    def segments(self) -> list[SpooledSegment]:
        """Those that were begun, in order."""
        found = []
        for path in sorted(self.folder.iterdir()):
            if path.suffix not in (OPEN, CLOSED):
                continue
            with suppress(FileNotFoundError):  # it was just renamed: the next look finds it
                if (segment := _opened(path)) is not None:
                    found.append(segment)
        return found

    def resume(self, place: Place | None) -> Place | None:
        """A copy of the place; where that segment is gone, or none was given, the oldest one's
        beginning. None where there is nothing."""
        if place is not None and self._segment(place.number) is not None:
            return replace(place)
        segments = self.segments()
        return _start_of(segments[0]) if segments else None

    def read(self, place: Place, *, most: int) -> list[Link]:
        """Links from there on, about `most` bytes of them; moves `place` behind them.

        Raises DamagedSegment.
        """
        links: list[Link] = []
        while most > 0 and (segment := self._segment(place.number)) is not None:
            try:
                found = self._stretch(segment, place)
            except FileNotFoundError:  # it was just given its final name
                continue
            place.offset += found.used
            most -= found.used
            if found.links:
                links += found.links
                place.sequence, place.hash = found.links[-1].sequence + 1, found.links[-1].hash
                continue
            if found.torn and segment.closed and not links:
                raise DamagedSegment(segment.path, place.sequence)
            # An open segment that has a successor is complete, and only waits to be cut.
            following = self._segment(place.number + 1)
            if following is None or following.header.first != place.sequence:
                break
            place.number, place.offset = place.number + 1, HEADER_BYTES
        return links

    def retire_writer(self) -> bool:
        """Whether the writer is gone; then every segment is complete afterwards."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            for path in sorted(self.folder.glob(f"*{OPEN}")):
                _put_in_order(path)
            return True
        finally:
            os.close(lock)

    def remove(self) -> None:
        """Remove a chain that holds nothing any more, and whose writer is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _segment(self, number: int) -> SpooledSegment | None:
        """That one, if it was begun and is still there."""
        for suffix in (OPEN, CLOSED, CLOSED):  # it may be renamed between two looks
            path = self.folder / file_name(number, suffix)
            with suppress(FileNotFoundError):
                return _opened(path)
        return None

    def _stretch(self, segment: SpooledSegment, place: Place) -> Scan:
        """What follows in that segment."""
        with segment.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            stretch = _STRETCH
            while True:
                data = os.pread(file.fileno(), stretch, place.offset)
                complete = place.offset + len(data) >= size
                found = scan(data, place.sequence, place.hash, complete=complete)
                if found.links or found.torn or complete:
                    return found
                if not any(data[:8]):  # zeros: nothing was put there yet
                    return found
                stretch *= 4


def _opened(path: Path) -> SpooledSegment | None:
    """None where it was not begun. Raises FileNotFoundError."""
    with path.open("rb") as file:
        header = read_header(file.read(HEADER_BYTES))
    return None if header is None else SpooledSegment(path, header, path.suffix == CLOSED)


def _start_of(segment: SpooledSegment) -> Place:
    header = segment.header
    return Place(header.number, HEADER_BYTES, header.first, header.previous)


def _put_in_order(path: Path) -> None:
    """Cut what a dead process left open, after its last whole frame."""
    with path.open("r+b") as file:
        data = file.read()
        header = read_header(data)
        if header is None:
            path.unlink()
            return
        found = scan(data[HEADER_BYTES:], header.first, header.previous, complete=True)
        if found.torn:
            _log.warning(
                "a segment ends in a record that is not whole",
                extra={"file": str(path), "kept": len(found.links)},
            )
        file.truncate(HEADER_BYTES + found.used)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        path.rename(path.with_suffix(CLOSED))
    sync_folder(path.parent)
