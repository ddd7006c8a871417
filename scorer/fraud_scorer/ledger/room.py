"""The segments of a chain that is being written: the current one, a spare, and those that are full.

The thread that appends takes the spare and goes on at once; what waits for the disk (making files,
cutting full ones to length, syncing) is for the thread that tends the chain.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from fraud_scorer.ledger import memory
from fraud_scorer.ledger.segment import (
    CLOSED,
    HEADER_BYTES,
    OPEN,
    PADDED_TO,
    SIZES,
    Header,
    file_name,
    pack_header,
)
from fraud_scorer.ledger.spool import Spool, SpoolFull, sync_folder

_AT_ONCE = struct.Struct("@Q").pack_into
_LITTLE = sys.byteorder == "little"
_PATIENCE = 0.25
"""Seconds until a full spool is looked at again."""


class WritableSegment:
    """A file of the spool, mapped into memory. `at` is where the next frame goes."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path, self.at = path, HEADER_BYTES
        self._descriptor, self._size = descriptor, size
        self._memory = mmap.mmap(descriptor, size)
        self._address = memory.address_of(self._memory)
        self._synced, self._began, self._finished = 0, 0.0, False

    def populate(self) -> None:
        """Make appending cheap. Takes a while."""
        memory.populate(self._address, self._size)

    def begin(self, header: Header) -> None:
        """Say what it holds."""
        self._memory[:HEADER_BYTES] = pack_header(header)
        self._began = time.monotonic()

    def put(self, body: bytes, beside: bytes, digest: bytes, size: int) -> bool:
        """Write a frame of that size, and its own sizes last: until then it is not there. False
        where there is no room for it."""
        at = self.at
        end = at + size
        if end > self._size:
            return False
        self._memory[at + SIZES.size : end] = b"".join((digest, body, beside))
        # Both in one store of eight aligned bytes: whoever reads meanwhile sees neither or both.
        if _LITTLE:
            sizes = len(beside) << 32 | len(body)
        else:
            sizes = int.from_bytes(SIZES.pack(len(body), len(beside)), sys.byteorder)
        _AT_ONCE(self._memory, at, sizes)
        self.at = end + -end % PADDED_TO
        return True

    def older_than(self, seconds: float) -> bool:
        """Whether it was begun so long ago, and holds anything."""
        return self.at > HEADER_BYTES and time.monotonic() - self._began > seconds

    def sync(self) -> None:
        """Have on the disk what was put so far."""
        at = self.at
        if at != self._synced and not self._finished:
            memory.sync(self._address, self._synced, min(at, self._size))
            self._synced = at

    def finish(self) -> None:
        """Cut it to length and give it its final name."""
        self._finished = True
        self._memory.close()
        os.ftruncate(self._descriptor, min(self.at, self._size))
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self.path.rename(self.path.with_suffix(CLOSED))

    def discard(self) -> None:
        """Remove one that was never begun."""
        self._memory.close()
        os.close(self._descriptor)
        self.path.unlink()


class Room:
    """Where a chain's next entries go."""

    def __init__(self, spool: Spool, chain: UUID, size: int) -> None:
        self._spool, self._chain, self._size = spool, chain, size
        self._folder = spool.folder_of(chain)
        self._number = 0
        self._spare: WritableSegment | None = None
        self._making = threading.Lock()
        self._retired: deque[WritableSegment] = deque()
        self.full = ""
        """Why there was none when it was last looked for; empty where there was."""
        self._look_again = 0.0

    def take(self, first: int, previous: bytes, *, at_least: int = 0) -> WritableSegment:
        """The next segment, begun. Raises SpoolFull, also where a frame of `at_least` bytes could
        not be put into any."""
        if at_least > self._size - HEADER_BYTES:
            raise SpoolFull(
                f"a record of {at_least} bytes is larger than a segment of {self._size}: have"
                " larger segments"
            )
        with self._making:
            following = self._spare or self._make()
            self._spare = None
            following.begin(Header(self._chain, self._number, first, previous))
            self._number += 1
        return following

    def prepare(self) -> bool:
        """Have a spare, if there is room for one; whether there is."""
        if self._spare is not None:
            return True
        with self._making, suppress(SpoolFull):  # it is said where a record finds no room
            self._spare = self._make()
        if (spare := self._spare) is not None:
            spare.populate()  # harmless where it was taken meanwhile
        return spare is not None

    def retire(self, segment: WritableSegment) -> None:
        """Nothing will be put into it any more; it is finished by whoever may wait."""
        self._retired.append(segment)

    def finish_retired(self) -> None:
        """Have all of those on the disk, under their final names."""
        while self._retired:
            self.finish(self._retired[0])
            self._retired.popleft()

    def finish(self, segment: WritableSegment) -> None:
        """Have this one on the disk, under its final name."""
        segment.finish()
        sync_folder(self._folder)

    def close(self) -> None:
        """Leave nothing but segments that hold something."""
        self.finish_retired()
        if self._spare is not None:
            self._spare.discard()

    def _make(self) -> WritableSegment:
        """Raises SpoolFull. A spool that was full is not looked at for each record."""
        if self.full and time.monotonic() < self._look_again:
            raise SpoolFull(self.full)
        path = self._folder / file_name(self._number, OPEN)
        try:
            descriptor = self._spool.make_file(path, self._size)
        except SpoolFull as full:
            self.full, self._look_again = str(full), time.monotonic() + _PATIENCE
            raise
        self.full = ""
        return WritableSegment(path, descriptor, self._size)
