"""A folder of chains: one folder a chain, which holds its segments and a lock.

    SPOOL/CHAIN/lock             held by the process that writes the chain, for as long as it lives
    SPOOL/CHAIN/00000000.seg     complete
    SPOOL/CHAIN/00000001.open    being written

The folder is bounded: segments take their whole size from the disk when they are made, so that a
full disk is found there and not in the middle of an append.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

LOCK = "lock"
_GUARD, _SHIPPER = ".guard", ".shipper"
_MODE = 0o660


class SpoolFull(Exception):
    """There is no room for a record; the message says what to do next."""


class SpoolTaken(Exception):
    """Another process ships this spool."""


class Spool:
    """The folder, and how many bytes it may hold."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def usage(self) -> int:
        """Bytes of all segments."""
        total = 0
        for chain in self._folders():
            with suppress(FileNotFoundError), os.scandir(chain) as files:
                for file in files:
                    with suppress(FileNotFoundError):
                        total += file.stat().st_size
        return total

    def chains(self) -> list[UUID]:
        """The chains that have a folder, oldest first."""
        return sorted(UUID(hex=path.name) for path in self._folders())

    def folder_of(self, chain: UUID) -> Path:
        """Where a chain's segments are."""
        return self.folder / chain.hex

    def begin(self, chain: UUID) -> int:
        """Make a chain's folder and take its lock; the descriptor that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        making = self.folder / f".{chain.hex}"
        making.mkdir()
        lock = os.open(making / LOCK, os.O_RDWR | os.O_CREAT, _MODE)
        fcntl.flock(lock, fcntl.LOCK_EX)
        making.rename(self.folder_of(chain))  # now others see it, locked
        return lock

    def take_for_shipping(self) -> int:
        """Be the only one who ships from here; the descriptor that holds it. Raises SpoolTaken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / _SHIPPER, os.O_RDWR | os.O_CREAT, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise SpoolTaken(
                f"another process ships {self.folder}: one is enough, and two get in each other's"
                " way; give this one another spool, or wait until the other one ends"
            ) from None
        return lock

    def make_file(self, path: Path, size: int) -> int:
        """Make a segment's file, with all of its bytes; its descriptor. Raises SpoolFull."""
        with self._guarded():
            used = self.usage()
            if used + size > self.limit:
                raise SpoolFull(
                    f"the spool holds {used} of {self.limit} bytes and takes no more: see why the"
                    " shipper does not get rid of it (its log says), or give the spool more room"
                )
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                os.close(descriptor)
                path.unlink()
                raise SpoolFull(
                    f"the spool's disk has no room for {size} bytes: {error.strerror}"
                ) from None
        sync_folder(path.parent)
        return descriptor

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One process of the pod at a time, so that two do not both take the last room."""
        descriptor = os.open(self.folder / _GUARD, os.O_RDWR | os.O_CREAT, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _folders(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return [one for one in self.folder.iterdir() if _is_chain(one.name)]
        return []


def _is_chain(name: str) -> bool:
    return len(name) == 32 and all(digit in "0123456789abcdef" for digit in name)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
