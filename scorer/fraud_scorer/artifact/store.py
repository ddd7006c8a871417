"""What a model store can do, and the ways in which it fails.

Under the store's prefix each version is a folder: `<version>/manifest.json` and the files that it
names. The manifest is written last, so a folder without one is an upload under way, or one that was
given up. Paths are relative to the prefix. What lies in folders that begin with a dot is described
in layout.py.

Errors have a `reason` (CamelCase, fit for a condition) and a message that says what to do next.
`Unavailable` and what derives from it says nothing about the bytes: try again. `FileMissing`,
`DigestMismatch` and ManifestError are verdicts on what was published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from msgspec import Struct

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.manifest import Manifest

_CONTENT_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}


class StoreError(Exception):
    """Something about the store; the message says what to do next."""

    reason: ClassVar[str] = "StoreError"


class Unavailable(StoreError):
    """The store could not be asked; nothing is known about the bytes in it."""

    reason = "StoreUnreachable"


class StoreUnreachable(Unavailable):
    """No answer, or only errors of the server's own."""


class AccessDenied(Unavailable):
    """The store knows who asks and does not allow it, or does not know who asks."""

    reason = "AccessDenied"


class BucketMissing(Unavailable):
    """There is no such bucket, or it lies in another region."""

    reason = "BucketMissing"


class CredentialsMissing(Unavailable):
    """There is nothing to authenticate with."""

    reason = "CredentialsMissing"


class FileMissing(StoreError):
    """The store answered: there is no such file."""

    reason = "FileMissing"

    def __init__(self, message: str, *, file: str) -> None:
        super().__init__(message)
        self.file = file


class TooLarge(StoreError):
    """A file is larger than any of its kind may be; it was not read."""

    reason = "TooLarge"

    def __init__(self, *, file: str, limit: int) -> None:
        super().__init__(f"{file} is larger than {limit} bytes: it is not what was published")
        self.file = file


class AlreadyThere(StoreError):
    """A file was to be created and exists."""

    reason = "AlreadyPublished"


class DigestMismatch(StoreError):
    """The bytes are not those that were published. `expected` and `actual` are comparable."""

    reason = "DigestMismatch"

    def __init__(self, *, file: str, expected: str, actual: str) -> None:
        super().__init__(
            f"{file} is {actual}, but {expected} was published: the file was damaged or"
            " overwritten; publish the model again under a new version"
        )
        self.file = file
        self.expected = expected
        self.actual = actual


class StoredManifest(Struct, frozen=True, kw_only=True):
    """A version's manifest as the store holds it."""

    manifest: Manifest
    sha256: str
    """Of the manifest's bytes: 64 hexadecimal digits."""
    etag: str
    """Changes when the manifest is written again; see `Store.read_manifest`."""


class StoredFile(Struct, frozen=True, kw_only=True):
    """One file as a listing shows it."""

    path: str
    """Relative to the store's prefix."""
    size: int
    etag: str
    """The same as `Store.read` gives; another one when the file is written again."""
    modified: datetime


class Store(Protocol):
    """A model store. All methods may raise Unavailable; calls block.

    Versions and blobs are only ever created: their writers meet others', and one of them wins. What
    has one writer (proofs, the quarantine, backups' own notes) may be written again.
    """

    def list_versions(self) -> list[str]:
        """The names of the version folders, in the order in which people count.

        One listing of folders: it costs a request a thousand of them, whatever they hold.
        """
        ...

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """Every file whose path begins so, sorted by path, a page of them at a time.

        `prefix` is a folder and ends with a slash, or is empty for all files of the store.
        """
        ...

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        """The bytes of a small file (at most `limit`) and its etag; None where that is `unless`.

        Raises FileMissing, and TooLarge.
        """
        ...

    def open(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, piece by piece. Raises FileMissing, also in the middle."""
        ...

    def create(self, path: str, source: Path | bytes) -> None:
        """Write a file that does not exist yet. Raises AlreadyThere, and then changes nothing."""
        ...

    def write(self, path: str, source: Path | bytes) -> None:
        """Write a file, over another where there is one. Readers see one of them, never a mix."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; none that is there already is no error."""
        ...


def content_type(path: str) -> str:
    """What a browser is to take a file for: people open reports where they lie."""
    return _CONTENT_TYPES.get(path.rpartition(".")[2], "application/octet-stream")


def read_manifest(store: Store, version: str, *, unless: str = "") -> StoredManifest | None:
    """The manifest of a version; None where its etag is still `unless`.

    Raises FileMissing (an upload under way, or one given up), ManifestError where it is not a
    manifest or is that of another version, and Unavailable.
    """
    manifests.check_version(version)
    path = f"{version}/{manifests.FILE_NAME}"
    found = store.read(path, limit=manifests.MAX_BYTES, unless=unless)
    if found is None:
        return None
    data, etag = found
    manifest = manifests.decode_version(version, data)
    return StoredManifest(manifest=manifest, sha256=sha256_hex(data), etag=etag)


class Source(Protocol):
    """Whatever gives a file's bytes: a store, or another pod."""

    def open(self, path: str) -> Iterator[bytes]:
        """As a store does."""
        ...


def fetch(store: Source, path: str, to: Path, *, sha256: str, size: int) -> None:
    """Copy a file to `to`, which appears only when it is whole and its digest is `sha256`.

    Raises FileMissing, DigestMismatch, Unavailable; leaves nothing behind then.
    """
    partial = to.with_name(to.name + ".partial")
    digest, received = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            for chunk in store.open(path):
                received += len(chunk)
                if received > size:
                    raise DigestMismatch(
                        file=path, expected=f"{size} bytes long", actual="longer than that"
                    )
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise DigestMismatch(
                file=path, expected=qualified(sha256), actual=qualified(digest.hexdigest())
            )
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)


def holds(store: Store, path: str, *, sha256: str) -> bool:
    """Whether the file's bytes have that digest; reads all of it. Raises FileMissing."""
    digest = hashlib.sha256()
    for chunk in store.open(path):
        digest.update(chunk)
    return digest.hexdigest() == sha256
