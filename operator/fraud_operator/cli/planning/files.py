"""The FraudDetectors of the files that a plan is asked for, and the Secrets beside them."""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fraud_operator.api.frauddetector import API_VERSION, GROUP, KIND
from fraud_operator.cli.exits import Failure

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Files:
    """What they hold, each object with its namespace."""

    detectors: list[dict[str, Any]]
    secrets: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """Values by key, by namespace and name."""
    others: list[str] = field(default_factory=list)
    """What else is in them, by kind and name: it is not planned."""


def read(names: Iterable[str], namespace: str, *, explicit: bool) -> Files:
    """Read all of `names`; `namespace` is for objects that name none. With `explicit` it was asked
    for, and another one in a file is an error, as it is for kubectl. Raises Failure."""
    detectors: list[dict[str, Any]] = []
    secrets: dict[tuple[str, str], Mapping[str, str]] = {}
    others: list[str] = []
    for name in names:
        for obj in _objects(name):
            kind, where = obj.get("kind"), _placed(obj, name, namespace, explicit=explicit)
            if kind == KIND and str(obj.get("apiVersion", "")).startswith(f"{GROUP}/"):
                if obj["apiVersion"] != API_VERSION:
                    raise Failure(
                        f"{name}: {KIND} {where[1]} is {obj['apiVersion']}; this kubectl-fraud"
                        f" knows {API_VERSION} only"
                    )
                detectors.append(obj)
            elif kind == "Secret":
                secrets[where] = _values(obj, name)
            else:
                others.append(f"{kind} {where[1]}")
    if not detectors:
        raise Failure(f"there is no {KIND} in {', '.join(names)}")
    return Files(detectors, secrets, others)


def _objects(name: str) -> Iterator[dict[str, Any]]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        documents = list(yaml.load_all(text, _Loader))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise Failure(f"{name} is not YAML: {error}") from None
    for document in documents:
        if document is None:
            continue
        listed = isinstance(document, dict) and document.get("kind") == "List"
        items = (document.get("items") or ()) if listed else (document,)
        for obj in items:
            if not isinstance(obj, dict) or not isinstance(obj.get("kind"), str):
                raise Failure(
                    f"{name} holds something that is not a Kubernetes object: it has no kind"
                )
            yield obj


def _placed(obj: dict[str, Any], file: str, namespace: str, *, explicit: bool) -> tuple[str, str]:
    """Namespace and name of the object, which has its namespace afterwards."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        raise Failure(f"{file}: a {obj.get('kind')} has no metadata.name")
    own = meta.get("namespace")
    if explicit and own and own != namespace and obj.get("kind") == KIND:
        raise Failure(
            f"{file}: {KIND} {meta['name']} says namespace {own}, --namespace says {namespace}"
        )
    if obj.get("kind") in (KIND, "Secret"):
        meta["namespace"] = own or namespace
    return (meta.get("namespace", ""), meta["name"])


def _values(secret: Mapping[str, Any], file: str) -> dict[str, str]:
    for part in ("data", "stringData"):
        if not isinstance(secret.get(part) or {}, dict):
            raise Failure(
                f"{file}: {part} of Secret {secret['metadata']['name']} is no map of keys"
            )
    values = {key: str(value) for key, value in (secret.get("stringData") or {}).items()}
    for key, value in (secret.get("data") or {}).items():
        try:
            values.setdefault(key, b64decode(value).decode())
        except (ValueError, TypeError):  # kubectl will say so
            continue
    return values
