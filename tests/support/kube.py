"""An API server in memory, honest about what the operator relies on.

Server-side apply with ownership of single fields (conflicts, force, removal of what is no longer
applied, defaults), resourceVersions, uids, preconditions, and watches. Lists are merged by the keys
that the real schema has for the fields that we use. Everything else of Kubernetes is missing, and
what is modelled here is checked against a real server in tests/integration.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fraud_operator.runtime.kinds import FRAUD_DETECTOR, Kind, kind_of
from fraud_operator.runtime.kube import FIELD_MANAGER, ApiError, Conflict, NotFound, Object

Path = tuple[str, ...]
Id = tuple[str, str, str]

_LIST_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_DEFAULTS = {"protocol": "TCP"}
_ATOMIC = frozenset({"selector", "matchLabels", "nodeSelector"})
_OF_THE_MOMENT = frozenset(
    {"lastTransitionTime", "since", "activeSince", "at", "withdrawnAt", "uid", "volumeToken"}
)
_NUMBERS = frozenset({"serial", "checksum", "revision"})
"""Of plans: how many steps it took to get there."""


class Crash(BaseException):
    """The process ends here. No handler may swallow it."""


@dataclass
class Write:
    """One request that wanted to change something."""

    verb: str
    kind: str
    name: str
    changed: bool


@dataclass
class _Stored:
    kind: Kind
    uid: str
    version: int
    leaves: dict[Path, Any]
    managers: dict[tuple[str, str], set[Path]] = field(default_factory=dict)
    status: Any = None
    deleting: bool = False
    generation: int = 1
    created: str = ""


class FakeKube:
    """Implements `Kube`. `before` and `after` are called around every write, and may raise."""

    def __init__(self) -> None:
        self.objects: dict[Id, _Stored] = {}
        self.writes: list[Write] = []
        self.gets: list[tuple[str, str]] = []
        """Kind and name of every single object that was asked for."""
        self.watchers: list[Callable[[Kind, str, Object], None]] = []
        self.before: Callable[[Write], None] = lambda write: None
        self.after: Callable[[Write], None] = lambda write: None
        self.now: Callable[[], datetime] = lambda: datetime(2026, 1, 1, tzinfo=UTC)
        self._versions = itertools.count(2)  # as after the start of a real server
        self._made: Counter[str] = Counter()

    # What the operator calls.

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        self.gets.append((kind.kind, name))
        stored = self.objects.get((kind.kind, namespace, name))
        return None if stored is None else self._render(stored, (namespace, name))

    async def list(
        self, kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        found = []
        for (kind_name, where, name), stored in self.objects.items():
            if kind_name != kind.kind or namespace not in (None, where):
                continue
            obj = self._render(stored, (where, name))
            if not label_selector or label_selector in (obj["metadata"].get("labels") or {}):
                found.append(obj)
        return found, str(next(self._versions))

    async def apply(
        self, manifest: Mapping[str, Any], *, manager: str = FIELD_MANAGER, force: bool
    ) -> Object:
        kind, meta = kind_of(manifest), manifest["metadata"]
        id_ = (kind.kind, meta["namespace"], meta["name"])
        with self._writing("apply", kind, meta["name"]) as write:
            stored = self.objects.get(id_)
            if "uid" in meta and (stored is None or stored.uid != meta["uid"]):
                raise Conflict(409, "Conflict", "uid mismatch", f"apply {meta['name']}")
            expected = meta.get("resourceVersion")
            if expected and stored is not None and str(stored.version) != expected:
                raise Conflict(409, "Conflict", "has been modified", f"apply {meta['name']}")
            wanted = leaves(manifest)
            if stored is None:
                stored = self.objects[id_] = self._new(kind)
                write.changed = True
            write.changed |= self._merge(stored, wanted, manager, force)
            return self._written(id_, write)

    async def patch_status(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], resource_version: str
    ) -> Object:
        id_ = (kind.kind, namespace, name)
        with self._writing("status", kind, name) as write:
            stored = self._existing(id_)
            if str(stored.version) != resource_version:
                raise Conflict(409, "Conflict", "the object has been modified", f"status {name}")
            before = copy.deepcopy(stored.status)
            stored.status = merged(stored.status or {}, patch)
            write.changed = stored.status != before
            return self._written(id_, write)

    async def create(
        self, manifest: Mapping[str, Any], *, subresource_of: tuple[Kind, str, str] | None = None
    ) -> Object:
        if subresource_of is not None:
            kind, namespace, name = subresource_of
            self._existing((kind.kind, namespace, name))
            return {"status": {"token": f"token of {namespace}/{name}"}}
        kind, meta = kind_of(manifest), manifest["metadata"]
        id_ = (kind.kind, meta["namespace"], meta["name"])
        with self._writing("create", kind, meta["name"]) as write:
            if id_ in self.objects:
                raise Conflict(409, "AlreadyExists", "already exists", f"create {meta['name']}")
            stored = self.objects[id_] = self._new(kind)
            stored.leaves = leaves(manifest)
            stored.managers[FIELD_MANAGER, "Update"] = set(stored.leaves)
            write.changed = True
            return self._written(id_, write)

    async def patch_labels(
        self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str | None], *, uid: str
    ) -> Object:
        id_ = (kind.kind, namespace, name)
        with self._writing("label", kind, name) as write:
            stored = self._existing(id_)
            if stored.uid != uid:
                raise Conflict(409, "Conflict", "uid mismatch", f"label {name}")
            for key, value in labels.items():
                path = ("f:metadata", "f:labels", f"f:{key}")
                write.changed |= stored.leaves.get(path) != value
                stored.leaves.pop(path, None)
                if value is not None:
                    stored.leaves[path] = value
            return self._written(id_, write)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, uid: str
    ) -> Object:
        id_ = (kind.kind, namespace, name)
        with self._writing("merge", kind, name) as write:
            stored = self._existing(id_)
            if stored.uid != uid:
                raise Conflict(409, "Conflict", "uid mismatch", f"merge {name}")
            new = leaves(merged(self._render(stored, (namespace, name)), patch))
            write.changed = new != stored.leaves
            for owned in stored.managers.values():
                owned -= {path for path in owned if stored.leaves.get(path) != new.get(path)}
            mine = stored.managers.setdefault((FIELD_MANAGER, "Update"), set())
            mine |= {path for path in new if stored.leaves.get(path) != new[path]}
            stored.leaves = new
            return self._written(id_, write)

    async def update(self, manifest: Mapping[str, Any], *, deadline: float) -> Object:
        kind, meta = kind_of(manifest), manifest["metadata"]
        id_ = (kind.kind, meta["namespace"], meta["name"])
        with self._writing("update", kind, meta["name"]) as write:
            stored = self._existing(id_)
            if str(stored.version) != meta["resourceVersion"]:
                raise Conflict(409, "Conflict", "the object has been modified", meta["name"])
            stored.leaves = leaves(manifest)
            write.changed = True
            return self._written(id_, write)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str = "",
        orphan: bool = False,
    ) -> None:
        id_ = (kind.kind, namespace, name)
        with self._writing("delete", kind, name) as write:
            stored = self.objects.get(id_)
            if stored is None:
                return
            if stored.uid != uid or resource_version not in ("", str(stored.version)):
                raise Conflict(409, "Conflict", "precondition failed", f"delete {name}")
            write.changed = True
            if orphan:
                self._orphan(uid)
            self.remove(kind, namespace, name)

    # What tests do to the cluster.

    def put(self, manifest: Mapping[str, Any], manager: str = "kubectl") -> Object:
        """Somebody creates or replaces an object (not its status) by other means than apply."""
        kind, meta = kind_of(manifest), manifest["metadata"]
        id_ = (kind.kind, meta["namespace"], meta["name"])
        stored = self.objects.get(id_)
        if stored is None:
            stored = self.objects[id_] = self._new(kind)
        new = leaves(manifest)
        for path in stored.leaves.keys() | new.keys():
            if stored.leaves.get(path) != new.get(path):
                for owned in stored.managers.values():
                    owned.discard(path)
                if path in new:
                    stored.managers.setdefault((manager, "Update"), set()).add(path)
        if _spec_of(stored.leaves) != _spec_of(new) and stored.leaves:
            stored.generation += 1
        stored.leaves = new
        if "status" in manifest:
            stored.status = copy.deepcopy(manifest["status"])
        return self._written(id_, Write("put", kind.kind, meta["name"], True))

    def edit(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None], *, by: str
    ) -> Object:
        """Somebody changes an object."""
        obj = self.read(kind, namespace, name)
        change(obj)
        return self.put(obj, manager=by)

    def set_status(self, kind: Kind, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """A controller reports."""
        stored = self._existing((kind.kind, namespace, name))
        if stored.status != status:
            stored.status = copy.deepcopy(dict(status))
            self._written((kind.kind, namespace, name), Write("put", kind.kind, name, True))

    def read(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as it is; KeyError where there is none."""
        return self._render(self.objects[kind.kind, namespace, name], (namespace, name))

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone."""
        id_ = (kind.kind, namespace, name)
        stored = self.objects.pop(id_)
        stored.version = next(self._versions)
        self._tell(kind, "DELETED", self._render(stored, (namespace, name)))

    def _orphan(self, uid: str) -> None:
        """What that object owns is nobody's."""
        for (_, namespace, name), stored in list(self.objects.items()):
            theirs = {
                path
                for path, value in stored.leaves.items()
                if path[:2] == ("f:metadata", "f:ownerReferences") and value.get("uid") == uid
            }
            for path in theirs:
                del stored.leaves[path]
            if theirs:
                self._written(
                    (stored.kind.kind, namespace, name), Write("put", stored.kind.kind, name, True)
                )

    def collect_garbage(self) -> None:
        """Delete what has an owner that does not exist."""
        uids = {stored.uid for stored in self.objects.values()}
        for (_, namespace, name), stored in list(self.objects.items()):
            owners = [
                value["uid"]
                for path, value in stored.leaves.items()
                if path[:2] == ("f:metadata", "f:ownerReferences") and value
            ]
            if owners and uids.isdisjoint(owners):
                self.remove(stored.kind, namespace, name)

    def state(self) -> dict[Id, Any]:
        """What two lives are compared by: fields, their owners and detectors' status, but neither
        Events nor uids, versions, times and the numbers of plans."""
        found = {}
        kept = itertools.count()
        for id_, stored in sorted(self.objects.items()):
            if id_[0] == "Event":
                continue
            if id_[0] == "ControllerRevision":  # named by a serial
                id_ = (id_[0], id_[1], f"number {next(kept)}")
            managers = {name: sorted(paths) for name, paths in stored.managers.items() if paths}
            status = stored.status if stored.kind == FRAUD_DETECTOR else None
            fields = _unpacked(_nested(stored.leaves))
            if id_[0] == "Secret":
                fields["data"] = sorted(_nested(stored.leaves).get("data", {}))
            text = json.dumps([fields, status, sorted(managers.items())])
            found[id_] = json.loads(text, object_hook=_timeless)
        return found

    # How it works.

    def _new(self, kind: Kind) -> _Stored:
        self._made[kind.kind] += 1
        created = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return _Stored(kind, f"{kind.kind}-{self._made[kind.kind]}", 0, {}, created=created)

    def _existing(self, id_: Id) -> _Stored:
        if id_ not in self.objects:
            raise NotFound(404, "NotFound", f"{id_[0]} {id_[2]} not found", f"{id_[2]}")
        return self.objects[id_]

    def _merge(self, stored: _Stored, wanted: dict[Path, Any], manager: str, force: bool) -> bool:
        before = (dict(stored.leaves), {name: set(own) for name, own in stored.managers.items()})
        mine = (manager, "Apply")
        for other, owned in stored.managers.items():
            clashes = {
                path
                for path in owned & wanted.keys()
                if other != mine and stored.leaves.get(path) != wanted[path]
            }
            if clashes and not force:
                raise Conflict(409, "Conflict", f"conflict with {other[0]}", f"apply by {manager}")
            owned -= clashes
        if stored.kind.kind == "StatefulSet" and stored.version:
            self._keep_claims(stored, wanted)
        given_up = stored.managers.get(mine, set()) - wanted.keys()
        stored.managers[mine] = set(wanted)
        held = set().union(*stored.managers.values())
        for path in given_up - held:
            stored.leaves.pop(path, None)
        stored.leaves.update(wanted)
        stored.managers = {name: owned for name, owned in stored.managers.items() if owned}
        if stored.kind.kind == "Deployment":
            stored.leaves.setdefault(("f:spec", "f:replicas"), 1)
        if _spec_of(before[0]) != _spec_of(stored.leaves) and stored.version:
            stored.generation += 1
        return before != (stored.leaves, stored.managers)

    @staticmethod
    def _keep_claims(stored: _Stored, wanted: Mapping[Path, Any]) -> None:
        """What a real server takes no change of."""
        path = ("f:spec", "f:volumeClaimTemplates")
        if stored.leaves.get(path) != wanted.get(path):
            message = "updates to statefulset spec for fields other than ... are forbidden"
            raise ApiError(422, "Invalid", message, "apply")

    def _writing(self, verb: str, kind: Kind, name: str) -> _Around:
        return _Around(self, Write(verb, kind.kind, name, False))

    def _written(self, id_: Id, write: Write) -> Object:
        stored = self.objects[id_]
        new = stored.version == 0
        if write.changed:
            stored.version = next(self._versions)
        obj = self._render(stored, id_[1:])
        if write.changed:
            self._tell(stored.kind, "ADDED" if new else "MODIFIED", obj)
        return obj

    def _tell(self, kind: Kind, event: str, obj: Object) -> None:
        for watcher in self.watchers:
            watcher(kind, event, obj)

    def _render(self, stored: _Stored, where: tuple[str, str]) -> Object:
        namespace, name = where
        obj: Object = {"apiVersion": stored.kind.api_version, "kind": stored.kind.kind}
        obj.update(_nested(stored.leaves))
        obj["metadata"] = {
            "name": name,
            "namespace": namespace,
            "uid": stored.uid,
            "resourceVersion": str(stored.version),
            "generation": stored.generation,
            "creationTimestamp": stored.created,
            **obj.get("metadata", {}),
            "managedFields": [
                {"manager": manager, "operation": operation, "fieldsV1": fields_v1(paths)}
                for (manager, operation), paths in stored.managers.items()
            ],
        }
        if stored.status is not None:
            obj["status"] = copy.deepcopy(stored.status)
        elif stored.kind == FRAUD_DETECTOR:
            obj["status"] = {"observedGeneration": -1}
        return obj


class _Around:
    """Counts a write, and lets tests end the world before or after it."""

    def __init__(self, kube: FakeKube, write: Write) -> None:
        self._kube, self._write = kube, write

    def __enter__(self) -> Write:
        self._kube.before(self._write)
        return self._write

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._kube.writes.append(self._write)
            self._kube.after(self._write)


def leaves(manifest: Mapping[str, Any]) -> dict[Path, Any]:
    """A manifest as its single fields, lists by their keys."""
    found: dict[Path, Any] = {}
    for key, value in manifest.items():
        if key in ("apiVersion", "kind", "status"):
            continue
        if key == "metadata":
            value = {
                k: v
                for k, v in value.items()
                if k in ("labels", "annotations", "ownerReferences", "finalizers")
            }
            if not value:
                continue
        found.update(_leaves(key, value, (f"f:{key}",)))
    return found


def _leaves(key: str, value: Any, at: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value and key not in _ATOMIC:
        for inner, one in value.items():
            yield from _leaves(inner, one, (*at, f"f:{inner}"))
    elif isinstance(value, list) and (keys := _keys(key, value)):
        for item in value:
            step = "k:" + json.dumps(
                {name: item.get(name, _DEFAULTS.get(name)) for name in keys},
                separators=(",", ":"),
            )
            if key == "ownerReferences":
                yield (*at, step), copy.deepcopy(item)
                continue
            for inner, one in item.items():
                yield from _leaves(inner, one, (*at, step, f"f:{inner}"))
    else:
        yield at, copy.deepcopy(value)


def _keys(key: str, items: list[Any]) -> tuple[str, ...]:
    if key == "ports" and items:
        first = "containerPort" if "containerPort" in items[0] else "port"
        return (first, "protocol")
    return _LIST_KEYS.get(key, ())


def _nested(flat: Mapping[Path, Any]) -> Object:
    """The inverse of `leaves`."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = _Leaf(value)
    built: Object = _built(tree)
    return built


@dataclass
class _Leaf:
    value: Any


def _built(node: Any) -> Any:
    if isinstance(node, _Leaf):
        value = node.value
        return copy.deepcopy(value) if isinstance(value, dict | list) else value
    if any(step.startswith("k:") for step in node):
        return [_built(inner) for inner in node.values()]
    return {step[2:]: _built(inner) for step, inner in node.items()}


def fields_v1(paths: set[Path]) -> dict[str, Any]:
    """Paths as managedFields write them."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch, applied."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def refusal(status: int, reason: str) -> ApiError:
    """An error as the API server would give it."""
    kind = {404: NotFound, 409: Conflict}.get(status, ApiError)
    return kind(status, reason, f"injected {reason}", "test")


def _spec_of(flat: Mapping[Path, Any]) -> dict[Path, Any]:
    return {path: value for path, value in flat.items() if path[0] == "f:spec"}


def _unpacked(obj: Object) -> Object:
    """With JSON that is kept as text as what it says; without what is random, and without the hash
    of what has times in it."""
    data = {key: value for key, value in (obj.get("data") or {}).items() if key != "token"}
    texts = {key: json.loads(data[key]) for key in ("record.json", "plan.json") if key in data}
    if not data or "metadata" not in obj:
        return {key: value for key, value in obj.items() if key != "data"}
    meta = obj["metadata"]
    annotations = {
        key: value
        for key, value in (meta.get("annotations") or {}).items()
        if key != "fraudops.io/applied-hash"
    }
    return {**obj, "data": {**data, **texts}, "metadata": {**meta, "annotations": annotations}}


def _timeless(obj: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in obj.items()
        if key not in _OF_THE_MOMENT
        and not (key in _NUMBERS and (isinstance(value, int) or key == "checksum"))
    }
