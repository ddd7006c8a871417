"""One look at a model store: which versions there are, and what their manifests say.

A quiet store costs one listing of its folders. What is new is read at once; what is known is read
again at every tenth look, the newest and some others in turn, so that an overwritten manifest is
noticed without reading them all each time.

Of a store with more than 200 versions those are read whose names come last as people count (v1000
after v999), those that appear while we look, and those that somebody asks for: the newest, by the
time in its manifest, is sought among these.

A folder without a manifest is an upload under way, until two looks in a row find the one same model
file of somebody else's in it: then it is a *bare* version. Runs in a thread: stores block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec

from fraud_operator.plan.types import BareFile, StoreVersion
from fraud_scorer.artifact.manifest import FILE_NAME, ManifestError, version_key
from fraud_scorer.artifact.store import (
    FileMissing,
    Store,
    StoredFile,
    StoreError,
    Unavailable,
    read_manifest,
)

MOST_READ = 200
"""Versions of a store whose manifests are known at a time, those asked for apart."""
CHECKED_EVERY = 10
"""Looks."""

_NEWEST_CHECKED = 2
_OTHERS_CHECKED = 3
_UPLOADS_CHECKED = 8
_UPLOAD_LOOKS = 20
"""After so many an upload is given up, and looked at as rarely as what is known."""
_FILES_OF_A_VERSION = 1000
_BARE = (".joblib", ".pkl")
_COMPILED = ".fdm"


@dataclass(frozen=True, slots=True)
class _Known:
    version: StoreVersion
    etag: str


@dataclass(slots=True)
class _Upload:
    """A folder without a manifest."""

    bare: BareFile | None
    looks: int = 1


class Looker:
    """Looks at one store again and again, and remembers the manifests in between. `turn` is how
    many looks ago what is known was read last: those of many stores should differ in it."""

    def __init__(self, turn: int = 0) -> None:
        self._known: dict[str, _Known] = {}
        self._uploads: dict[str, _Upload] = {}
        self._listed: Set[str] | None = None
        self._arrived: deque[str] = deque(maxlen=MOST_READ)
        self._turn: deque[str] = deque()
        self._looks = turn
        self.found_news = True
        """Whether the last look read anything for the first time, or again."""

    def look(
        self, store: Store, wanted: Iterable[str] = (), *, thorough: bool = False
    ) -> tuple[StoreVersion, ...]:
        """The versions, newest first; those without a usable manifest come last.

        `wanted` are names that matter, however old. With `thorough` everything that a tenth look
        reads is read. Raises Unavailable, and remembers what it knew before.
        """
        names = store.list_versions()
        self._looks += 1
        candidates = self._candidates(names, wanted)
        for gone in self._known.keys() - candidates:
            del self._known[gone]
        for gone in self._uploads.keys() - candidates:
            del self._uploads[gone]
        checking = thorough or self._looks % CHECKED_EVERY == 0
        due = self._due(candidates, checking)
        self.found_news = bool(due)
        for name in due:
            self._read(store, name)
        return self._sorted()

    def _candidates(self, names: list[str], wanted: Iterable[str]) -> Set[str]:
        """The names whose manifests are to be known."""
        listed = frozenset(names)
        if self._listed is not None:
            self._arrived.extend(name for name in names if name not in self._listed)
        self._listed = listed
        return {*names[-MOST_READ:], *self._arrived, *wanted} & listed

    def _due(self, candidates: Set[str], checking: bool) -> list[str]:
        new = sorted(candidates - self._known.keys() - self._uploads.keys(), key=version_key)
        uploads = [
            name
            for name, upload in self._uploads.items()
            if checking or upload.looks < _UPLOAD_LOOKS
        ]
        unsettled = [*new, *uploads[-_UPLOADS_CHECKED:]]
        return [*unsettled, *self._again()] if checking else unsettled

    def _again(self) -> list[str]:
        """What is known and to be read again: the newest, and some others in turn."""
        newest = [one.version for one in self._sorted()[:_NEWEST_CHECKED]]
        waiting = self._known.keys() - set(newest)
        self._turn = deque(name for name in self._turn if name in waiting)
        self._turn.extend(sorted(waiting - set(self._turn)))
        others = [self._turn[index] for index in range(min(_OTHERS_CHECKED, len(self._turn)))]
        self._turn.rotate(-len(others))
        return [*newest, *others]

    def _read(self, store: Store, name: str) -> None:
        known = self._known.get(name)
        if name in self._uploads or (known is not None and known.version.bare is not None):
            self._read_folder(store, name)
            return
        try:
            found = read_manifest(store, name, unless=known.etag if known else "")
        except FileMissing:
            self._read_folder(store, name)
            return
        except Unavailable:
            raise
        except (ManifestError, StoreError) as error:
            problem = f"{name}/{FILE_NAME}: {error}; publish the model again under a new version"
            self._known[name] = _Known(StoreVersion(name, None, problem=problem), "")
            return
        if found is None:
            return
        # What only a scorer needs can be megabytes for a detector with a long history.
        manifest = msgspec.structs.replace(found.manifest, golden=(), reference=None)
        self._known[name] = _Known(StoreVersion(name, manifest, found.sha256), found.etag)

    def _read_folder(self, store: Store, name: str) -> None:
        """A version without a manifest: an upload under way, one given up, or a bare version."""
        files = list(islice(store.list_files(f"{name}/"), _FILES_OF_A_VERSION))
        if any(one.path == f"{name}/{FILE_NAME}" for one in files):
            self._known.pop(name, None)
            self._uploads.pop(name, None)
            self._read(store, name)
            return
        bare = _bare(files)
        known = self._known.get(name)
        if known is not None and known.version.bare == bare:
            return
        self._known.pop(name, None)
        upload = self._uploads.get(name)
        if upload is None:
            self._uploads[name] = _Upload(bare)
        elif bare is not None and upload.bare == bare:
            del self._uploads[name]
            self._known[name] = _Known(StoreVersion(name, None, bare=bare), "")
        else:
            upload.looks = upload.looks + 1 if upload.bare == bare else 1
            upload.bare = bare

    def _sorted(self) -> tuple[StoreVersion, ...]:
        versions = [known.version for known in self._known.values()]
        damaged = [one for one in versions if one.problem]
        sound = [one for one in versions if not one.problem]
        sound.sort(key=lambda one: (_published(one), version_key(one.version)), reverse=True)
        return (*sound, *damaged)


def _published(one: StoreVersion) -> datetime:
    if one.manifest is not None:
        return one.manifest.created_at
    assert one.bare is not None, "it would have a problem"  # noqa: S101
    return datetime.fromisoformat(one.bare.modified)


def _bare(files: list[StoredFile]) -> BareFile | None:
    """The one model file of a version that nobody described. What `publish` is about to describe
    has a compiled model beside it, and that comes first."""
    here = [one for one in files if one.path.count("/") == 1]
    models = [one for one in here if one.path.endswith(_BARE)]
    if len(models) != 1 or any(one.path.endswith(_COMPILED) for one in files):
        return None
    (found,) = models
    return BareFile(found.path, found.size, found.etag, found.modified.isoformat())
