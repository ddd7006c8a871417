"""What a backup holds: one small file in it, written last.

A backup that was cut short holds more than its index says, never less: the next one finds the
files, reads them, and says so. Nothing that the index does not name is ever removed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import Sha256
from fraud_scorer.artifact.store import FileMissing, Store, StoreError

PATH = ".backup/index.json"
_LIMIT = 16 << 20


class IndexDamaged(StoreError):
    """The index is none; the message says what to do."""

    reason = "IndexDamaged"


class Held(Struct, frozen=True, kw_only=True, rename="camel"):
    """One version in the backup. `needed` is when it was last named by a plan, or first copied."""

    version: str
    manifest: Sha256
    model: Sha256
    folder: str
    """Where it lies as a version, too; empty where another one of the same name does."""
    model_path: str
    """Below that folder."""
    size: int
    since: Annotated[datetime, Meta(tz=True)]
    needed: Annotated[datetime, Meta(tz=True)]


class Index(Struct, frozen=True, kw_only=True, rename="camel"):
    """All of them. `notes` are reports and refusals by path, with the etag that was copied."""

    schema_version: Literal[1] = 1
    versions: tuple[Held, ...] = ()
    notes: dict[str, str] = {}

    def by_manifest(self) -> dict[str, Held]:
        """The versions by the digest of their manifest."""
        return {one.manifest: one for one in self.versions}


def read(backup: Store) -> Index:
    """The index; an empty one where there is none yet. Raises Unavailable, and IndexDamaged."""
    try:
        found = backup.read(PATH, limit=_LIMIT)
    except FileMissing:
        return Index()
    try:
        return msgspec.json.decode(found[0] if found else b"", type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IndexDamaged(
            f"{PATH} in the backup is no index ({error}): delete it, the next backup reads what is"
            " there and writes it anew"
        ) from None


def write(backup: Store, index: Index) -> None:
    """Write it over the one before. Raises Unavailable."""
    backup.write(PATH, canonical_json(index))
