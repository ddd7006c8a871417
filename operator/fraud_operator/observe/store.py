"""The operator's own view of the cluster: every object that a detector is made of, by detector.

Fed by watches, by complete lists and by the answers to our own writes, in any order: an object is
only ever replaced by a newer one (resourceVersions are compared as numbers, which every server that
we support uses; one that is not a number always wins), and only ends by an end that came later.
Deletions leave a tombstone for a while, so that a late answer cannot bring back a ghost.

Objects are kept as compressed JSON, a tenth of what the dicts would need, and unpacked when a
detector is looked at, and cut down to what is read (`projection`): an object of which nothing else
changed is no news, nor is one of which nothing is read yet. Objects that belong to no detector are
never kept.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from fraud_operator.observe.projection import projected
from fraud_operator.runtime.kinds import FRAUD_DETECTOR, POD, Kind

DETECTOR_LABEL = "fraudops.io/detector"
_TOMBSTONE_SECONDS = 120.0

Object = dict[str, Any]


class Key(NamedTuple):
    """A detector's namespace and name: what is queued, reconciled and logged."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class _Id(NamedTuple):
    kind: str
    name: str


_Place = tuple[str, str, str]
"""Namespace, kind and name."""


class _Entry(NamedTuple):
    uid: str
    version: str
    packed: bytes


class _Tombstone(NamedTuple):
    version: str
    until: float


class ObjectStore:
    """Objects by detector, each as much of it as `keep` keeps. Not thread-safe: one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        keep: Callable[[Kind, Mapping[str, Any]], Object | None] = projected,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._objects: dict[Key, dict[_Id, _Entry]] = {}
        self._homes: dict[_Place, Key] = {}
        self._tombstones: dict[_Place, _Tombstone] = {}

    def detectors(self) -> list[Key]:
        """The keys of all FraudDetectors."""
        return [key for key, objects in self._objects.items() if _id_of_detector(key) in objects]

    def known(self) -> list[Key]:
        """The keys of everything: also of children whose FraudDetector is gone."""
        return list(self._objects)

    def detector(self, key: Key) -> Object | None:
        """The FraudDetector, without managedFields."""
        return self._unpacked(key, _id_of_detector(key))

    def children(self, key: Key) -> dict[tuple[str, str], Object]:
        """The children by (kind, name), projected."""
        return {
            (id_.kind, id_.name): _unpack(entry.packed)
            for id_, entry in self._objects.get(key, {}).items()
            if id_.kind not in (FRAUD_DETECTOR.kind, POD.kind)
        }

    def pods(self, key: Key) -> list[Object]:
        """The pods, projected, by name."""
        found = self._objects.get(key, {})
        names = sorted(id_.name for id_ in found if id_.kind == POD.kind)
        return [_unpack(found[_Id(POD.kind, name)].packed) for name in names]

    def put(self, kind: Kind, obj: Mapping[str, Any]) -> tuple[Key, ...]:
        """Take in an object as it is now; the detectors for which that is news."""
        meta = obj["metadata"]
        key, id_ = key_of(kind, obj), _Id(kind.kind, meta["name"])
        place = (meta["namespace"], *id_)
        home = self._homes.get(place, key)
        if home is None:
            return ()
        version = str(meta.get("resourceVersion", ""))
        known = self._objects.get(home, {}).get(id_)
        grave = self._tombstones.get(place)
        if known is not None and not _newer(version, known.version):
            return ()
        if grave is not None and not _newer(version, grave.version):
            return ()
        kept = self._keep(kind, obj)
        if kept is None:
            self._bury(place, version)  # what was said of it before is no news any more
            if known is None:
                return ()
        if known is not None and (home != key or kept is None):
            self._drop(home, id_)  # its owner was changed by hand, or there is no more to say of it
        if key is not None and kept is not None:
            entry = _Entry(meta.get("uid", ""), version, _pack(kept))
            self._objects.setdefault(key, {})[id_] = entry
            self._homes[place] = key
            if known is not None and home == key and known.packed == entry.packed:
                return ()
        return tuple(dict.fromkeys(one for one in (home, key) if one is not None))

    def absorb(self, kind: Kind, obj: Mapping[str, Any]) -> bool:
        """Take in an object of which nothing is news; whether that is so. Nothing is done where it
        is not: that is for `put`."""
        meta = obj["metadata"]
        id_ = _Id(kind.kind, meta["name"])
        place = (meta["namespace"], *id_)
        home = self._homes.get(place)
        version = str(meta.get("resourceVersion", ""))
        if home is None:
            if self._keep(kind, obj) is not None:
                return False
            self._bury(place, version)
            return True
        known = self._objects[home][id_]
        if not _newer(version, known.version):
            return True
        kept = self._keep(kind, obj) if key_of(kind, obj) == home else None
        if kept is None or _pack(kept) != known.packed:
            return False
        self._objects[home][id_] = known._replace(version=version)
        return True

    def remove(self, kind: Kind, obj: Mapping[str, Any]) -> tuple[Key, ...]:
        """An object is gone, or no longer carries our label; whose it was, if that is news."""
        meta = obj["metadata"]
        id_ = _Id(kind.kind, meta["name"])
        place = (meta["namespace"], *id_)
        home = self._homes.get(place)
        version = str(meta.get("resourceVersion", ""))
        if home is not None:
            known = self._objects[home][id_]
            another = known.uid != meta.get("uid", "")
            # Of the same object, where its label was taken and is back: what is absorbed at the
            # watch overtakes what goes on from there.
            if _newer(known.version, version) and (another or known.version.isdecimal()):
                return ()
            self._drop(home, id_)
        self._bury(place, version)
        return (home,) if home is not None else ()

    def lose(self, kind: Kind, namespace: str, name: str) -> None:
        """An object was asked for and is not there, though no watch has said so yet."""
        id_ = _Id(kind.kind, name)
        home = self._homes.get((namespace, *id_))
        if home is not None:
            version = self._objects[home][id_].version
            self._drop(home, id_)
            self._bury((namespace, *id_), version)

    def replace(
        self, kind: Kind, namespaces: Iterable[str], objects: Iterable[Object], version: str
    ) -> set[Key]:
        """Take in a complete list of one kind as of `version`; the keys for which it was news.

        Only `namespaces` were listed (none given: all). What was changed after the list stays.
        """
        changed: set[Key] = set()
        listed: set[_Place] = set()
        for obj in objects:
            listed.add((obj["metadata"]["namespace"], kind.kind, obj["metadata"]["name"]))
            changed.update(self.put(kind, obj))
        within = set(namespaces)
        for place, home in list(self._homes.items()):
            namespace, kind_name, name = place
            if kind_name != kind.kind or place in listed or (within and namespace not in within):
                continue
            id_ = _Id(kind_name, name)
            if not _newer(self._objects[home][id_].version, version):
                self._drop(home, id_)
                self._bury(place, version)
                changed.add(home)
        return changed

    def _drop(self, key: Key, id_: _Id) -> None:
        objects = self._objects[key]
        del objects[id_]
        del self._homes[key.namespace, id_.kind, id_.name]
        if not objects:
            del self._objects[key]

    def _bury(self, place: _Place, version: str) -> None:
        now = self._clock()
        over = itertools.takewhile(lambda one: one[1].until <= now, self._tombstones.items())
        for old, _ in list(over):
            del self._tombstones[old]
        before = self._tombstones.pop(place, None)
        if before is not None and not _newer(version, before.version):
            version = before.version
        self._tombstones[place] = _Tombstone(version, now + _TOMBSTONE_SECONDS)

    def _unpacked(self, key: Key, id_: _Id) -> Object | None:
        entry = self._objects.get(key, {}).get(id_)
        return None if entry is None else _unpack(entry.packed)


def key_of(kind: Kind, obj: Mapping[str, Any]) -> Key | None:
    """The detector that an object is about; None where there is none.

    A child's owner counts before its label, so that editing the label is drift of that child.
    """
    meta = obj["metadata"]
    if kind == FRAUD_DETECTOR:
        return Key(meta["namespace"], meta["name"])
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller") and owner.get("kind") == FRAUD_DETECTOR.kind:
            return Key(meta["namespace"], owner["name"])
    detector = (meta.get("labels") or {}).get(DETECTOR_LABEL)
    return Key(meta["namespace"], detector) if detector else None


def _id_of_detector(key: Key) -> _Id:
    return _Id(FRAUD_DETECTOR.kind, key.name)


def _newer(version: str, than: str) -> bool:
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def _pack(obj: Mapping[str, Any]) -> bytes:
    """Equal objects give equal bytes, whatever the order in which a server writes fields."""
    return zlib.compress(msgspec.json.encode(obj, order="deterministic"), 1)


def _unpack(packed: bytes) -> Object:
    obj: Object = msgspec.json.decode(zlib.decompress(packed))
    return obj
