"""The order in which a version is written, so that no reader ever sees half of one.

Files first, the manifest last, each only where nothing is yet. A publication that was cut short can
be repeated: files that are already there with the right bytes are kept. What was published is never
written again; a changed model is a new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.manifest import FILE_NAME, Manifest
from fraud_scorer.artifact.store import AlreadyThere, FileMissing, Store, holds


class AlreadyPublished(AlreadyThere):
    """That version exists; nothing of it was changed."""


def publish(store: Store, manifest: Manifest, files: Mapping[str, Path]) -> str:
    """Write a version and return the sha256 of its manifest; `files` are by path in the manifest.

    Raises AlreadyPublished, Unavailable, ManifestError, and ValueError where a local file is not
    what the manifest says.
    """
    data = manifests.encode(manifest)
    for file in manifest.files:
        if sha256_file(files[file.path]) != (file.sha256, file.size):
            raise ValueError(f"{files[file.path]} is not what the manifest says of {file.path}")
    folder = manifest.version
    manifest_path = f"{folder}/{FILE_NAME}"
    if _exists(store, manifest_path):
        raise AlreadyPublished(_taken(folder))
    for file in manifest.files:
        path = f"{folder}/{file.path}"
        try:
            store.create(path, files[file.path])
        except AlreadyThere:
            if not holds(store, path, sha256=file.sha256):
                raise AlreadyPublished(
                    f"{path} is left over from another publication that was never finished:"
                    " delete it, or publish under a new version"
                ) from None
    try:
        store.create(manifest_path, data)
    except AlreadyThere:
        # An answer may be lost and the request repeated: then it is ours that is there.
        if not holds(store, manifest_path, sha256=sha256_hex(data)):
            raise AlreadyPublished(_taken(folder)) from None
    return sha256_hex(data)


def _exists(store: Store, path: str) -> bool:
    try:
        return store.read(path, limit=manifests.MAX_BYTES) is not None
    except FileMissing:
        return False


def _taken(version: str) -> str:
    return f"version {version} is published already and never changes: choose another version"
