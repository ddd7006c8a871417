"""The archive: sealed segments in an object store (or a folder), for as long as audits are kept.

    segments/CHAIN/00000000.jsonl.gz    one entry a line: its hash, a space, its body
    segments/CHAIN/00000000.seal        who vouches for it (seals.py)
    personal/CHAIN/00000000.gz          what is personal, under each person's key (vault.py)
    pending/CHAIN/00000000.seg.gz       a segment of the spool that Postgres does not have yet

What is in `segments/` and `personal/` is written once and never again, and is put under Object Lock
where that is offered and a time is given. `pending/` holds personal data as it was spooled, until
it was delivered: it must be deletable, and not be versioned.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable
from uuid import UUID

from fraud_scorer.artifact.store import AlreadyThere, FileMissing
from fraud_scorer.ledger.chain import HASH_BYTES, Link
from fraud_scorer.ledger.segment import HEADER_BYTES, Header, read_header

_SEGMENTS, _PERSONAL, _PENDING = "segments", "personal", "pending"
_LINES, _SEAL, _BESIDE, _SPOOLED = ".jsonl.gz", ".seal", ".gz", ".seg.gz"
_LEVEL = 3
_log = logging.getLogger(__name__)
_LARGEST_SEAL = 1 << 16


class DamagedFile(Exception):
    """A file of the archive that cannot be read as what it is."""


class Listed(Protocol):
    """A file in a listing."""

    @property
    def path(self) -> str:
        """Relative to the store's prefix."""


class Files(Protocol):
    """What the archive needs of a store: see `fraud_scorer.artifact.store`."""

    def list_files(self, prefix: str) -> Iterator[Listed]:
        """All below that folder, sorted."""

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        """A small file."""

    def open(self, path: str) -> Iterator[bytes]:
        """A file, piece by piece."""

    def create(self, path: str, source: Path | bytes) -> None:
        """Write one that is not there."""

    def write(self, path: str, source: Path | bytes) -> None:
        """Write one, there or not."""

    def delete(self, path: str) -> None:
        """Remove one, there or not."""


@runtime_checkable
class Keeping(Protocol):
    """A store whose files can be put under a lock."""

    def keeps(self) -> bool:
        """Whether it does."""

    def create_kept(self, path: str, source: bytes, until: datetime) -> None:
        """Write one that is not there, and that nobody deletes before then."""


class SegmentName(NamedTuple):
    """Which segment of which chain."""

    chain: UUID
    number: int


class Archive:
    """The files, by what they are. All methods may raise StoreError."""

    def __init__(self, store: Files, *, keep: Callable[[], timedelta] | None = None) -> None:
        """What is written once is locked for as long as `keep` says then, where the store offers
        that."""
        self.store, self._keep = store, keep
        self._locks: Keeping | None = None
        self._asked = keep is None

    def keeping(self, keep: Callable[[], timedelta]) -> Archive:
        """The same archive, for whoever writes what is to be kept for so long."""
        return Archive(self.store, keep=keep)

    def put_segment(self, name: SegmentName, lines: bytes) -> None:
        """Write the lines of a segment, where they are not there."""
        self._create(_path(_SEGMENTS, name, _LINES), _packed(lines))

    def put_seal(self, name: SegmentName, seal: bytes) -> bytes:
        """Write a segment's seal; the one that is there now, which may be an earlier one."""
        path = _path(_SEGMENTS, name, _SEAL)
        try:
            self._write(path, seal)
        except AlreadyThere:
            return self.seal(name)
        return seal

    def seal(self, name: SegmentName) -> bytes:
        """Raises FileMissing."""
        path = _path(_SEGMENTS, name, _SEAL)
        found = self.store.read(path, limit=_LARGEST_SEAL)
        if found is None:
            raise FileMissing(f"{path} does not exist", file=path)
        return found[0]

    def segment(self, name: SegmentName) -> bytes:
        """A segment's lines. Raises FileMissing, and DamagedFile."""
        return self._unpacked(_path(_SEGMENTS, name, _LINES))

    def put_personal(self, name: SegmentName, lines: bytes) -> bytes:
        """Write what is personal of a segment, where it is not there; what is to be there now."""
        try:
            self._write(_path(_PERSONAL, name, _BESIDE), _packed(lines))
        except AlreadyThere:
            with suppress(DamagedFile):  # then a seal says what was to be there
                return self.personal(name)
        return lines

    def personal(self, name: SegmentName) -> bytes:
        """Raises FileMissing, and DamagedFile."""
        return self._unpacked(_path(_PERSONAL, name, _BESIDE))

    def put_pending(self, name: SegmentName, spooled: bytes) -> None:
        """Keep a segment as it lay in the spool, until it is delivered."""
        with suppress(AlreadyThere):  # the same, whole
            self.store.create(_path(_PENDING, name, _SPOOLED), _packed(spooled))

    def pending(self, name: SegmentName) -> tuple[Header, bytes]:
        """The header and the frames of a segment that is to be delivered. Raises FileMissing, and
        DamagedFile."""
        data = self._unpacked(_path(_PENDING, name, _SPOOLED))
        try:
            header = read_header(data)
        except ValueError as error:
            raise DamagedFile(f"{name}: {error}") from None
        if header is None:
            raise DamagedFile(f"{name} is empty")
        return header, data[HEADER_BYTES:]

    def forget_pending(self, name: SegmentName) -> None:
        """It was delivered."""
        self.store.delete(_path(_PENDING, name, _SPOOLED))

    def sealed(self) -> list[SegmentName]:
        """All segments that have a seal, by chain and number."""
        return self._names(_SEGMENTS, _SEAL)

    def whole(self) -> list[SegmentName]:
        """All segments that have lines and a seal, by chain and number."""
        paths = [one.path for one in self.store.list_files(f"{_SEGMENTS}/")]
        return sorted(_named(paths, _LINES) & _named(paths, _SEAL))

    def all_pending(self) -> list[SegmentName]:
        """All that wait to be delivered, by chain and number."""
        return self._names(_PENDING, _SPOOLED)

    def _create(self, path: str, data: bytes) -> None:
        """A segment has one content only, so that one that is there is the same, whole."""
        with suppress(AlreadyThere):
            self._write(path, data)

    def _write(self, path: str, data: bytes) -> None:
        if (lock := self._lock()) is not None and self._keep is not None:
            lock.create_kept(path, data, datetime.now(UTC) + self._keep())
        else:
            self.store.create(path, data)

    def _lock(self) -> Keeping | None:
        if not self._asked:
            offered = isinstance(self.store, Keeping) and self.store.keeps()
            self._locks = self.store if offered else None  # type: ignore[assignment]
            self._asked = True
            if not offered:
                _log.warning(
                    "the archive has no Object Lock: whoever may delete there can remove records"
                )
        return self._locks

    def _names(self, folder: str, suffix: str) -> list[SegmentName]:
        return sorted(_named([one.path for one in self.store.list_files(f"{folder}/")], suffix))

    def _unpacked(self, path: str) -> bytes:
        packed = b"".join(self.store.open(path))
        try:
            return gzip.decompress(packed)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedFile(f"{path} is damaged: {error}") from None


class Line(NamedTuple):
    """An entry in an archived segment."""

    hash: bytes
    body: bytes


def to_lines(links: Sequence[Link]) -> bytes:
    """What is archived of a segment."""
    return b"".join(b"%s %s\n" % (one.hash.hex().encode(), one.body) for one in links)


def from_lines(data: bytes) -> list[Line]:
    """Raises DamagedFile."""
    found = []
    for number, line in enumerate(data.split(b"\n")[:-1]):
        digest, _, body = line.partition(b" ")
        try:
            found.append(Line(bytes.fromhex(digest.decode("ascii")), body))
        except ValueError:
            raise DamagedFile(f"line {number} does not begin with a hash") from None
        if len(found[-1].hash) != HASH_BYTES:
            raise DamagedFile(f"line {number} does not begin with a hash")
    return found


def sha256(lines: bytes) -> str:
    """What a seal holds of a segment's lines."""
    return hashlib.sha256(lines).hexdigest()


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, _LEVEL, mtime=0)  # the same bytes whenever it is done


def _path(folder: str, name: SegmentName, suffix: str) -> str:
    return f"{folder}/{name.chain}/{name.number:08d}{suffix}"


def _named(paths: Iterable[str], suffix: str) -> set[SegmentName]:
    """The segments whose files with that suffix are among these."""
    found = (_name(path, suffix) for path in paths)
    return {one for one in found if one is not None}


def _name(path: str, suffix: str) -> SegmentName | None:
    _, _, rest = path.partition("/")
    chain, _, file = rest.partition("/")
    number = file.removesuffix(suffix)
    if number == file or not number.isdecimal():
        return None
    try:
        return SegmentName(UUID(chain), int(number))
    except ValueError:
        return None
