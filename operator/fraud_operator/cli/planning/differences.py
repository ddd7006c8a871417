"""What differs between two states of an object, field by field.

Entries of a list are told apart by the key that the Kubernetes API has for such lists, where all of
them have it; so a container that moved is no difference. Paths are written as people write them:
`spec.template.spec.containers[scorer].image`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_LIST_KEYS = ("name", "mountPath", "containerPort", "port", "topologyKey", "uid", "type")
_MISSING: Any = object()
_OF_THE_SERVER = frozenset(
    {"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"}
)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field. `before` is None where it is added, `after` where it is removed."""

    path: str
    action: Literal["add", "change", "remove"]
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What makes `after` of `before`, without the status and what only the server writes."""
    return list(_of_maps(_comparable(before), _comparable(after), ""))


def fields_of(manifest: Mapping[str, Any]) -> list[Difference]:
    """Every field of an object that is to be created, but those that name it."""
    parts = {key: value for key, value in _comparable(manifest).items() if key != "metadata"}
    meta = {
        key: value
        for key, value in manifest["metadata"].items()
        if key not in _OF_THE_SERVER | {"name", "namespace"}
    }
    whole = {**({"metadata": meta} if meta else {}), **parts}
    del whole["apiVersion"], whole["kind"]
    return list(_added(whole, ""))


def _comparable(obj: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        key: value for key, value in obj.get("metadata", {}).items() if key not in _OF_THE_SERVER
    }
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": meta}


def _one(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if before is _MISSING:
        yield from _added(after, path)
    elif after is _MISSING:
        yield from _removed(before, path)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_maps(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
    elif before != after:
        yield Difference(path, "change", before, after)


def _of_maps(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str
) -> Iterator[Difference]:
    for key in dict.fromkeys([*before, *after]):
        yield from _one(before.get(key, _MISSING), after.get(key, _MISSING), _step(path, key))


def _of_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    key = _list_key([*before, *after], before, after)
    if key is None:
        if len(before) == len(after):
            for at, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from _one(one, other, f"{path}[{at}]")
        else:
            yield Difference(path, "change", before, after)
        return
    old, new = ({str(item[key]): item for item in items} for items in (before, after))
    for name in dict.fromkeys([*old, *new]):
        yield from _one(old.get(name, _MISSING), new.get(name, _MISSING), f"{path}[{name}]")


def _list_key(items: Sequence[Any], *lists: list[Any]) -> str | None:
    """The key that tells entries apart; None where there is none."""
    for key in _LIST_KEYS:
        if all(isinstance(item, Mapping) and key in item for item in items) and all(
            len({str(item[key]) for item in of}) == len(of) for of in lists
        ):
            return key if items else None
    return None


def _added(value: Any, path: str) -> Iterator[Difference]:
    for where, leaf in _leaves(value, path):
        yield Difference(where, "add", None, leaf)


def _removed(value: Any, path: str) -> Iterator[Difference]:
    for where, leaf in _leaves(value, path):
        yield Difference(where, "remove", leaf, None)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, _step(path, key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        key = _list_key(value, value)
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}[{item[key] if key else at}]")
    else:
        yield path, value


def _step(path: str, key: str) -> str:
    if not set(key) <= _PLAIN:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
