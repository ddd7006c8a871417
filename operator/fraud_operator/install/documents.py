"""Kubernetes objects as YAML text, for people to read and for kubectl to apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

HEADER = "# Made by `make generate`. Do not edit.\n"


class _Plain(yaml.SafeDumper):
    """Anchors and aliases are for machines, and lists are indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def document(obj: Mapping[str, Any]) -> str:
    """One object as YAML, keys in their own order."""
    return yaml.dump(dict(obj), Dumper=_Plain, sort_keys=False, width=100)


def documents(objs: Iterable[Mapping[str, Any]]) -> str:
    """Several objects as one YAML stream."""
    return "---\n".join(document(obj) for obj in objs)
