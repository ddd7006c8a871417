"""One look at a model store: which versions there are, and what their manifests say.

It costs one listing, and a conditional read of the manifests that matter most: the newest, and a
few others in turn, so that an overwritten manifest is noticed without reading them all each time.
Runs in a thread: stores block.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from fraud_operator.plan.types import StoreVersion
from fraud_scorer.artifact.manifest import ManifestError, newest_first
from fraud_scorer.artifact.store import FileMissing, Store, StoreError, Unavailable, read_manifest

_NEWEST_CHECKED = 2
_OTHERS_CHECKED = 3


@dataclass(frozen=True, slots=True)
class _Known:
    version: StoreVersion
    etag: str


class Looker:
    """Looks at one store again and again, and remembers the manifests in between."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._turn: deque[str] = deque()

    def look(self, store: Store) -> tuple[StoreVersion, ...]:
        """The versions, newest first; those without a usable manifest come last.

        Raises Unavailable, and remembers what it knew before.
        """
        names = store.list_versions()
        for gone in self._known.keys() - set(names):
            del self._known[gone]
        for name in self._due(names):
            self._read(store, name)
        return self._sorted()

    def _due(self, names: list[str]) -> list[str]:
        new = [name for name in names if name not in self._known]
        newest = [version.version for version in self._sorted()[:_NEWEST_CHECKED]]
        waiting = set(self._known) - set(newest)
        self._turn = deque(name for name in self._turn if name in waiting)
        self._turn.extend(sorted(waiting - set(self._turn)))
        others = [self._turn[index] for index in range(min(_OTHERS_CHECKED, len(self._turn)))]
        self._turn.rotate(-len(others))
        return [*new, *newest, *others]

    def _read(self, store: Store, name: str) -> None:
        known = self._known.get(name)
        try:
            found = read_manifest(store, name, unless=known.etag if known else "")
        except FileMissing:
            self._known.pop(name, None)  # an upload under way, or one given up
            return
        except Unavailable:
            raise
        except (ManifestError, StoreError) as error:
            problem = f"{name}/manifest.json: {error}; publish the model again under a new version"
            self._known[name] = _Known(StoreVersion(name, None, problem=problem), "")
            return
        if found is None:
            return
        # What only a scorer needs can be megabytes for a detector with a long history.
        manifest = msgspec.structs.replace(found.manifest, golden=(), reference=None)
        self._known[name] = _Known(StoreVersion(name, manifest, found.sha256), found.etag)

    def _sorted(self) -> tuple[StoreVersion, ...]:
        versions = [known.version for known in self._known.values()]
        manifests = [one.manifest for one in versions if one.manifest is not None]
        order = {manifest.version: at for at, manifest in enumerate(newest_first(manifests))}
        return tuple(sorted(versions, key=lambda one: order.get(one.version, len(order))))
