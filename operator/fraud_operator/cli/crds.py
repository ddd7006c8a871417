"""Whether a cluster's CRDs are those that this build would install."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fraud_operator.api.crd import RESOURCES, crd
from fraud_operator.api.frauddetector import GROUP, VERSION
from fraud_operator.runtime.kube import Object

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def paths() -> dict[str, str]:
    """Where each CRD is, by its name."""
    names = [f"{resource.plural}.{GROUP}" for resource in RESOURCES]
    return {name: f"{_PATH}/{name}" for name in names}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fields of the resource that only one side knows, and whether anything else differs."""

    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    otherwise: bool

    @property
    def same(self) -> bool:
        """Whether the cluster's CRD is this build's."""
        return not (self.only_here or self.only_there or self.otherwise)

    def __str__(self) -> str:
        said = []
        if self.only_here:
            said.append(f"only this build knows {_listed(self.only_here)}")
        if self.only_there:
            said.append(f"only the cluster's knows {_listed(self.only_there)}")
        return "; ".join(said) or "the same fields, but described or checked differently"


def compare(live: Mapping[str, Any]) -> Comparison:
    """The cluster's CRD beside this build's of that name."""
    ours = _ours(live["metadata"]["name"])
    here, there = _served(ours), _served(live)
    known, met = set(_fields(_schema(here))), set(_fields(_schema(there)))
    return Comparison(
        only_here=tuple(sorted(known - met)),
        only_there=tuple(sorted(met - known)),
        otherwise=any(here.get(key) != there.get(key) for key in here),
    )


@cache
def _ours(name: str) -> Object:
    return crd(next(one for one in RESOURCES if f"{one.plural}.{GROUP}" == name))


def _served(definition: Mapping[str, Any]) -> Object:
    """The version that this build speaks; empty where it is not there."""
    versions: list[Object] = definition["spec"]["versions"]
    return next((one for one in versions if one["name"] == VERSION), {})


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = version.get("schema", {}).get("openAPIV3Schema", {})
    return schema


def _fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, inner in (schema.get("properties") or {}).items():
        where = f"{path}.{name}" if path else name
        yield where
        yield from _fields(inner, where)
    if isinstance(schema.get("items"), Mapping):
        yield from _fields(schema["items"], f"{path}[]")


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
