"""Bytes that are kept by their digest: written once, read back, and written anew where damaged.

Under a digest nothing else should lie, so what is there already is as good as ours, if it is whole.
"""

from __future__ import annotations

from pathlib import Path

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.store import AlreadyThere, FileMissing, Store, Unavailable, holds


class BlobDamaged(Unavailable):
    """The store gives back other bytes than it took: nothing can be kept in it."""

    reason = "BlobDamaged"


def keep(store: Store, source: Path | bytes, sha256: str) -> str:
    """Keep the bytes with that digest (64 hexadecimal digits); their path.

    Raises Unavailable; BlobDamaged, which is one, where the store damages them.
    """
    path = layout.blob(sha256)
    put(store, path, source, sha256)
    return path


def put(store: Store, path: str, source: Path | bytes, sha256: str) -> None:
    """Have those bytes at `path`, whole. Raises Unavailable, and BlobDamaged."""
    try:
        store.create(path, source)
    except AlreadyThere:
        if not holds(store, path, sha256=sha256):
            store.write(path, source)
    if not holds(store, path, sha256=sha256):
        raise BlobDamaged(
            f"{path} was written and is read as other bytes than {qualified(sha256)}: see to the"
            " store"
        )


def is_whole(store: Store, path: str, sha256: str) -> bool:
    """Whether the bytes at `path` are there and have that digest; reads all of them. Raises
    Unavailable."""
    try:
        return holds(store, path, sha256=sha256)
    except FileMissing:
        return False
