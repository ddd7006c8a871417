"""Where a revision's files come from: the folder of this pod, the store, siblings, the backup.

The store has the first and the last word: what siblings and the backup have is taken where the
store cannot give the bytes, and where they have nothing either, it is the store's answer that
counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.plan import PlannedModel, StoreLocation
from fraud_scorer.artifact.store import DigestMismatch, Source, Store, StoreError, fetch
from fraud_scorer.following.blobs import Blobs
from fraud_scorer.following.siblings import Siblings
from fraud_scorer.registry.load import read_manifest, verdicts_on_files

OpenStore = Callable[[StoreLocation], Store]
"""Raises StoreError. Called anew for each attempt, as credentials change."""

_log = logging.getLogger(__name__)


class Fetching:
    """Gets files into the folder. Blocks."""

    def __init__(
        self,
        blobs: Blobs,
        open_store: OpenStore,
        siblings: Siblings | None,
        open_backup: OpenStore | None = None,
    ) -> None:
        self._blobs = blobs
        self._open_store = open_store
        self._siblings = siblings
        self._open_backup = open_backup

    def fetch(
        self, wanted: PlannedModel, location: StoreLocation, backup: StoreLocation | None = None
    ) -> None:
        """Have the manifest and the model in the folder.

        Raises Refused where the store says that they are gone or others, Unavailable where it
        cannot be asked, and OSError where the folder cannot be written.
        """
        file = wanted.model

        def manifest(path: Path) -> None:
            path.write_bytes(read_manifest(self._open_store(location), wanted))

        def model(path: Path) -> None:
            store = self._open_store(location)
            fetch(store, file.path, path, sha256=file.sha256, size=file.size)

        with verdicts_on_files(wanted):
            self._have(wanted.manifest.sha256, manifests.MAX_BYTES, manifest, backup)
            self._have(file.sha256, file.size, model, backup)

    def _have(
        self,
        sha256: str,
        limit: int,
        from_store: Callable[[Path], None],
        backup: StoreLocation | None,
    ) -> None:
        if self._blobs.has(sha256):
            return
        try:
            self._blobs.take(sha256, from_store)
        except StoreError as error:
            if not self._from_elsewhere(sha256, limit, backup):
                raise
            _log.warning("the store does not give what is needed", extra={"store": error})

    def _from_elsewhere(self, sha256: str, limit: int, backup: StoreLocation | None) -> bool:
        """Whether anybody else had it."""
        for place, name in self._elsewhere(sha256, backup):

            def ask(path: Path, place: Source = place, name: str = name) -> None:
                fetch(place, name, path, sha256=sha256, size=limit)

            try:
                self._blobs.take(sha256, ask)
            except DigestMismatch as error:
                _log.error("%s gave other bytes: %s", place, error)
            except StoreError as error:
                _log.info("%s", error)
            else:
                _log.warning("%s gave the bytes of %s", place, sha256)
                return True
        return False

    def _elsewhere(self, sha256: str, backup: StoreLocation | None) -> Iterator[tuple[Source, str]]:
        """Who else may have the bytes, and how they are called there."""
        for sibling in self._siblings.all() if self._siblings else ():
            yield sibling, sha256
        if backup is not None and self._open_backup is not None:
            try:
                yield self._open_backup(backup), layout.blob(sha256)
            except StoreError as error:
                _log.warning("the backup cannot be opened: %s", error)
