"""One backup: copies what is missing, reads everything back, lets go of what is old.

Each version goes over as a publication does, its blobs first, its manifest last, each file created
and read back. It may be cut short at any point and begun again, and two may run at once: both write
the same bytes under the same names.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.blobs import is_whole, keep, put
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.manifest import FILE_NAME
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.store import DigestMismatch, FileMissing, Store, TooLarge, fetch
from fraud_scorer.backup import index as indexes
from fraud_scorer.backup.index import Held, Index
from fraud_scorer.backup.needed import Needed, planned, proven

_NOTES = (f"{layout.PROOFS}/", f"{layout.QUARANTINE}/")
_LARGEST_NOTE = 8 << 20

_log = logging.getLogger(__name__)


class Mirrored:
    """What came of a backup."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.copied = self.verified = self.removed = 0
        self.lost: list[str] = []
        """Digests of what the plan names and is not in the backup."""


def mirror(
    primary: Store,
    backup: Store,
    plan: ModelPlan | None,
    *,
    retention: timedelta,
    now: datetime,
    workspace: Path,
) -> Mirrored:
    """Bring the backup up to date. Raises Unavailable, and IndexDamaged."""
    before = indexes.read(backup)
    run = _Run(primary, backup, before, now, workspace)
    wanted = planned(plan)
    known = {digest for one in before.versions for digest in (one.manifest, one.model)}
    besides = {one.manifest for one in wanted}
    run.take(wanted)
    run.take(proven(primary, since=now - retention, known=known, besides=besides))
    run.verify()
    notes = run.notes()
    # What is written down is there; what is removed is not written down any more.
    run.let_go(retention)
    indexes.write(backup, Index(versions=tuple(run.done.held.values()), notes=notes))
    return run.done


class _Run:
    """One backup under way."""

    def __init__(
        self, primary: Store, backup: Store, before: Index, now: datetime, workspace: Path
    ) -> None:
        self.done = Mirrored()
        self._primary, self._backup, self._before = primary, backup, before
        self._now, self._workspace = now, workspace
        self._whole: set[str] = set()
        self._planned: set[str] = set()
        self.done.held = before.by_manifest()

    def take(self, wanted: Iterable[Needed]) -> None:
        """Have these versions in the backup. What is not whole in the primary is left out."""
        for one in wanted:
            if one.planned:
                self._planned.add(one.manifest)
            held = self.done.held.get(one.manifest)
            if held is not None:
                needed = self._now if one.planned else held.needed
                self.done.held[one.manifest] = replace(held, needed=needed)
            elif (copied := self._copy(one)) is not None:
                self.done.held[one.manifest] = copied
                self.done.copied += 1
            elif one.planned:
                self.done.lost.append(qualified(one.model))

    def verify(self) -> None:
        """Read everything back; what is damaged is copied again, if the primary has it."""
        for one in list(self.done.held.values()):
            if all(self._is_whole(path, digest) for path, digest in _files(one).items()):
                continue
            _log.warning("damaged in the backup", extra={"version": one.version})
            again = self._copy(
                Needed(
                    version=one.version,
                    manifest=one.manifest,
                    model=one.model,
                    size=one.size,
                    planned=one.manifest in self._planned,
                )
            )
            if again is None:
                del self.done.held[one.manifest]
                self.done.lost.append(qualified(one.model))

    def let_go(self, retention: timedelta) -> None:
        """Remove versions that no plan has named for so long."""
        old = [
            one
            for one in self.done.held.values()
            if one.manifest not in self._planned and one.needed + retention < self._now
        ]
        for one in old:
            del self.done.held[one.manifest]
        stays = {path for one in self.done.held.values() for path in _files(one)}
        for one in old:
            # The manifest first: half of a version must not look like one.
            for path in _files(one):
                if path not in stays:
                    self._backup.delete(path)
            self.done.removed += 1

    def notes(self) -> dict[str, str]:
        """Copy reports and refusals that are others than those copied before; all by etag."""
        copied: dict[str, str] = {}
        for folder in _NOTES:
            for file in self._primary.list_files(folder):
                if self._before.notes.get(file.path) != file.etag:
                    try:
                        found = self._primary.read(file.path, limit=_LARGEST_NOTE)
                    except (FileMissing, TooLarge):
                        continue
                    self._backup.write(file.path, found[0] if found else b"")
                copied[file.path] = file.etag
        return copied

    def _copy(self, one: Needed) -> Held | None:
        """The version, copied; None where the primary does not have it whole."""
        manifest_file, model_file = self._workspace / "manifest", self._workspace / "model"
        try:
            self._fetch(one.manifest, manifests.MAX_BYTES, manifest_file)
            self._fetch(one.model, one.size, model_file)
        except (FileMissing, DigestMismatch) as error:
            _log.warning("not copied: %s", error, extra={"version": one.version})
            return None
        manifest = manifests.decode(manifest_file.read_bytes())
        held = Held(
            version=manifest.version,
            manifest=one.manifest,
            model=one.model,
            folder="" if self._is_taken(manifest.version, one.manifest) else manifest.version,
            model_path=manifest.model_file.path,
            size=one.size,
            since=self._now,
            needed=self._now,
        )
        keep(self._backup, model_file, one.model)
        keep(self._backup, manifest_file, one.manifest)
        if held.folder:
            put(self._backup, f"{held.folder}/{held.model_path}", model_file, one.model)
            put(self._backup, f"{held.folder}/{FILE_NAME}", manifest_file, one.manifest)
        self._whole |= set(_files(held))
        return held

    def _fetch(self, sha256: str, limit: int, to: Path) -> None:
        fetch(self._primary, layout.blob(sha256), to, sha256=sha256, size=limit)

    def _is_taken(self, version: str, manifest: str) -> bool:
        """Whether the folder is that of what lay under the name before it was overwritten: this one
        is in the backup by its digests alone then."""
        return any(
            held.folder == version and held.manifest != manifest for held in self.done.held.values()
        )

    def _is_whole(self, path: str, sha256: str) -> bool:
        if path not in self._whole and not is_whole(self._backup, path, sha256):
            return False
        self._whole.add(path)
        self.done.verified += 1
        return True


def _files(one: Held) -> dict[str, str]:
    """What a version is made of in the backup, each with its digest, the manifest first."""
    blobs = {layout.blob(one.manifest): one.manifest, layout.blob(one.model): one.model}
    if not one.folder:
        return blobs
    return {
        f"{one.folder}/{FILE_NAME}": one.manifest,
        f"{one.folder}/{one.model_path}": one.model,
        **blobs,
    }
