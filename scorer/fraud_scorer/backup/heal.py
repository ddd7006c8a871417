"""What pods need is whole in the store that they fetch from, or is made whole again.

Bytes come back from the backup, else from a scorer pod that holds them; wherever they come from,
they have their digest before they are written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.blobs import is_whole, keep
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.store import Source, Store, StoreError, fetch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A place that may have what the store lost; `name` is how it calls the bytes of a digest."""

    place: Source
    name: Callable[[str], str]


def backed_up(backup: Source) -> Elsewhere:
    """The backup, which is laid out as the store."""
    return Elsewhere(backup, layout.blob)


@dataclass(frozen=True, slots=True)
class Healed:
    """What came of it: digests, with `sha256:` before them."""

    verified: int
    restored: tuple[str, ...]
    lost: tuple[str, ...]


def heal(
    store: Store,
    models: Iterable[PlannedModel],
    elsewhere: Sequence[Elsewhere],
    workspace: Path,
) -> Healed:
    """Read every blob of these models, and restore what is not whole. Raises Unavailable where the
    store cannot be asked."""
    verified, restored, lost = 0, [], []
    for sha256, limit in _files(models).items():
        if is_whole(store, layout.blob(sha256), sha256):
            verified += 1
        elif _restored(store, sha256, limit, elsewhere, workspace / sha256):
            restored.append(qualified(sha256))
        else:
            lost.append(qualified(sha256))
    return Healed(verified, tuple(restored), tuple(lost))


def _files(models: Iterable[PlannedModel]) -> dict[str, int]:
    """The digests of all files, with the most bytes that each can have."""
    found: dict[str, int] = {}
    for one in models:
        found[one.manifest.sha256] = manifests.MAX_BYTES
        found[one.model.sha256] = one.model.size
    return found


def _restored(
    store: Store, sha256: str, limit: int, elsewhere: Sequence[Elsewhere], file: Path
) -> bool:
    """Whether any place had the bytes."""
    for one in elsewhere:
        try:
            fetch(one.place, one.name(sha256), file, sha256=sha256, size=limit)
        except StoreError as error:
            _log.info("%s has not the bytes of %s: %s", one.place, sha256, error)
            continue
        try:
            keep(store, file, sha256)
        finally:
            file.unlink()
        _log.warning("restored", extra={"digest": qualified(sha256), "from": repr(one.place)})
        return True
    return False
