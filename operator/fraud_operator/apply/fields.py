"""Who owns which field of an object, read from its managedFields.

managedFields tell fields apart as the schema does (`k:{"name":"scorer"}` is an entry of a list by
its key), without anybody having to know the schema: a manifest is walked beside them. This is what
shows that nothing changed since our last apply, and who changed what if something did: whoever
changes a field takes it over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]
_MOST_LISTED = 3
Path = tuple[str, ...]
"""Keys as managedFields write them, without the leading `f:`; entries of lists as `k:{…}`."""

_UNOWNED = frozenset({"apiVersion", "kind"})
_IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion"})


def applied_by(obj: Mapping[str, Any], manager: str) -> Fields | None:
    """The fields that `manager` holds by server-side apply; None where it never applied."""
    for entry in obj["metadata"].get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            fields: Fields = entry.get("fieldsV1") or {}
            return fields
    return None


def unowned(fields: Fields, manifest: Mapping[str, Any]) -> list[Path]:
    """The parts of `manifest` that are not among `fields`, each named by its topmost path."""
    found: list[Path] = []
    for key, value in manifest.items():
        if key in _UNOWNED:
            continue
        if key == "metadata":
            part = {name: inner for name, inner in value.items() if name not in _IDENTITY}
            found += _unowned(fields.get("f:metadata", {}), part, ("metadata",))
        else:
            found += _one(fields, key, value, ())
    return found


def owners(obj: Mapping[str, Any], path: Path, *, but: str) -> list[str]:
    """The managers other than `but` that hold the field at `path` or something within it."""
    found: dict[str, None] = {}
    for entry in obj["metadata"].get("managedFields") or ():
        if entry.get("manager") != but and _holds(entry.get("fieldsV1") or {}, path):
            found.setdefault(entry.get("manager", "unknown"), None)
    return list(found)


def describe(path: Path) -> str:
    """The path for people: `spec.template.spec.containers[scorer].image`."""
    text = ""
    for step in path:
        if step.startswith(("k:", "v:")):
            key = json.loads(step[2:])
            value = ",".join(str(part) for part in key.values()) if isinstance(key, dict) else key
            text += f"[{value}]"
        elif "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def listed(paths: Sequence[Path]) -> str:
    """The first of the paths for people, and how many more there are."""
    named, more = [describe(path) for path in paths[:_MOST_LISTED]], len(paths) - _MOST_LISTED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _unowned(fields: Fields, manifest: Any, at: Path) -> Iterator[Path]:
    if isinstance(manifest, Mapping):
        for key, value in manifest.items():
            yield from _one(fields, key, value, at)
    elif isinstance(manifest, list):
        for item in manifest:
            step = _entry(fields, item)
            if step is None:
                yield (*at, _spelled(item))
            elif fields[step] and isinstance(item, Mapping):
                yield from _unowned(fields[step], item, (*at, step))


def _one(fields: Fields, key: str, value: Any, at: Path) -> Iterator[Path]:
    here = (*at, key)
    owned = fields.get(f"f:{key}")
    if owned is None:
        yield here
    elif owned and value:  # an empty set of inner fields: the server treats the value as one
        yield from _unowned(owned, value, here)


def _entry(fields: Fields, item: Any) -> str | None:
    """The step in `fields` that stands for `item` of a list; None where there is none."""
    for step in fields:
        if step.startswith("v:") and json.loads(step[2:]) == item:
            return step
        if step.startswith("k:") and isinstance(item, Mapping):
            key = json.loads(step[2:])
            # A key that the manifest leaves out was defaulted by the server (protocol: TCP).
            if all(item.get(name, value) == value for name, value in key.items()):
                return step
    return None


def _spelled(item: Any) -> str:
    if isinstance(item, Mapping):
        name = item.get("name", next(iter(item.values()), ""))
        return "k:" + json.dumps({"name": name}, default=str)
    return "v:" + json.dumps(item)


def _holds(fields: Fields, path: Path) -> bool:
    for step in path:
        inner = fields.get(step if step.startswith(("k:", "v:")) else f"f:{step}")
        if inner is None:
            return False
        if not inner:
            return True
        fields = inner
    return True
