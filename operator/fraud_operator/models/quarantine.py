"""The quarantine as the store keeps it: one small file an entry, below `.quarantine/`.

It is the operator's and outlives detector and cluster. Whoever shares the store shares it, so an
entry is only written over one of an earlier turn. Runs in a thread: stores block.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

import msgspec

from fraud_operator.plan.release.record import Entry
from fraud_scorer.artifact.digest import canonical_json, qualified
from fraud_scorer.artifact.layout import QUARANTINE, quarantine_entry
from fraud_scorer.artifact.store import FileMissing, Store, StoredFile, TooLarge

log = logging.getLogger(__name__)

_MAX_BYTES = 64 << 10
_MOST = 10_000
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_NAME = re.compile(rf"{re.escape(QUARANTINE)}/([0-9a-f]{{64}})-(.+)\.json")


class Quarantine:
    """The entries of one store, remembered by their etags in between."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Entry]] = {}
        self._said = False

    def read(self, store: Store) -> tuple[Entry, ...]:
        """Every entry. Raises Unavailable, and remembers what it knew before."""
        files = {one.path: one for one in store.list_files(f"{QUARANTINE}/")}
        if len(files) > _MOST and not self._said:
            self._said = True
            log.warning("%s: more than %d quarantined; the latest are read", store, _MOST)
        latest = sorted(files.values(), key=lambda one: one.modified)[-_MOST:]
        kept: dict[str, tuple[str, Entry]] = {}
        for file in latest:
            known = self._known.get(file.path)
            if known is not None and known[0] == file.etag:
                kept[file.path] = known
            elif (entry := _read(store, file)) is not None:
                kept[file.path] = (file.etag, entry)
        self._known = kept
        return tuple(entry for _, entry in kept.values())

    def write(self, store: Store, entry: Entry) -> Entry:
        """Keep an entry, unless the same or a later turn of it is there; what is there then. Raises
        StoreError."""
        path = quarantine_entry(entry.digest, entry.version)
        there = _entry(store, path, _LONG_AGO)
        if there is not None and there.turn >= entry.turn:
            return there
        store.write(path, canonical_json(entry))
        return entry


def _read(store: Store, file: StoredFile) -> Entry | None:
    return _entry(store, file.path, file.modified) if _NAME.fullmatch(file.path) else None


def _entry(store: Store, path: str, modified: datetime) -> Entry | None:
    """The entry in a file; None where there is none. One that cannot be read still forbids."""
    try:
        found = store.read(path, limit=_MAX_BYTES)
    except FileMissing:
        return None
    except TooLarge as error:
        return _unreadable(path, modified, str(error))
    data, _ = found or (b"", "")
    try:
        entry = msgspec.json.decode(data, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(path, modified, str(error))
    if quarantine_entry(entry.digest, entry.version) != path:
        # Or one file would forbid, and have written, whatever its content names.
        return _unreadable(path, modified, "it is about another version than its name says")
    return entry


def _unreadable(path: str, modified: datetime, why: str) -> Entry | None:
    name = _NAME.fullmatch(path)
    if name is None:
        return None
    return Entry(
        digest=qualified(name[1]),
        version=name[2],
        reason="Unreadable",
        message=f"{path} cannot be read ({why}): release the version, and it is written anew",
        since=modified.isoformat(timespec="milliseconds"),
        turn=1,
    )
