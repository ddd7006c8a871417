"""The first program: a version's files out of the store, each digest checked while it is read.

Runs with the store's credentials, so it opens nothing that it fetched but the manifest and, where
signatures are asked for, the signature: what nobody signed gets no further.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import FILE_NAME, FileRef, Manifest, ManifestError
from fraud_scorer.artifact.store import (
    DigestMismatch,
    FileMissing,
    Store,
    StoredFile,
    StoreError,
    TooLarge,
    Unavailable,
)
from fraud_scorer.artifact.store import fetch as fetch_file
from fraud_scorer.artifact.verdict import Verdict
from fraud_scorer.engine import FORMAT_VERSION
from fraud_scorer.verification import signature
from fraud_scorer.verification.fetched import SIGNATURE_SUFFIX, Fetched, Folder
from fraud_scorer.verification.patience import Patience
from fraud_scorer.verification.refusal import PUBLISH_AGAIN, Refusal, Undecided, refusal_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version to be fetched.

    `bare` names its one model file where it has no manifest. `source`, where it is known, is the
    sha256 that the manifest, or else that file, had when it was found. `most` is how many bytes all
    files together may have. Without `created_at` a bare version is as old as the store says.
    """

    version: str
    bare: str
    source: str
    most: int
    created_at: datetime | None = None


def fetch(
    store: Store,
    wanted: Wanted,
    folder: Folder,
    *,
    keys: signature.Keys | None,
    patience: Patience,
) -> Verdict | None:
    """Leave the files in the folder; or the verdict, which is returned, where they are bad.

    Raises Unavailable when patience with the store is at its end, and Undecided where another
    version lies there by now.
    """
    seen = [wanted.source]  # what is known of the source when a refusal comes

    try:
        if wanted.bare:
            record = _bare(store, wanted, folder, seen, patience)
        else:
            record = _described(store, wanted, folder, seen, patience)
        if keys is not None:
            _require_signature(store, record, folder, keys, patience)
    except Refusal as refusal:
        verdict = Verdict(
            outcome="Refused", version=wanted.version, source=seen[0], **refusal.details
        )
        folder.refuse(verdict)
        return verdict
    folder.keep(record)
    return None


def _described(
    store: Store, wanted: Wanted, folder: Folder, seen: list[str], patience: Patience
) -> Fetched:
    """A version that has a manifest."""
    path = f"{wanted.version}/{FILE_NAME}"
    try:
        data, _ = patience.ask(lambda: store.read(path, limit=manifests.MAX_BYTES)) or (b"", "")
    except FileMissing as error:
        raise Undecided("SourceGone", f"{error}: it was deleted since it was found") from None
    except TooLarge as error:
        raise refusal_of(error, file=path) from None
    _same(wanted, sha256_hex(data))
    seen[0] = sha256_hex(data)
    manifest = _manifest(data, wanted.version, path)
    if sum(file.size for file in manifest.files) > wanted.most:
        raise _too_large(path, wanted.most)
    local = folder.file(path)
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_bytes(data)
    file = _needed(manifest)
    _download(store, f"{wanted.version}/{file.path}", file, folder, patience)
    return Fetched(
        version=wanted.version,
        source=seen[0],
        size=len(data),
        created_at=manifest.created_at,
        compiles=f"{wanted.version}/{file.path}" if file.role == "source" else "",
    )


def _manifest(data: bytes, version: str, path: str) -> Manifest:
    try:
        return manifests.decode_version(version, data)
    except ManifestError as error:
        raise refusal_of(error, file=path) from None


def _needed(manifest: Manifest) -> FileRef:
    """The compiled model; what it was compiled from where this engine reads another format."""
    if manifest.engine.version == FORMAT_VERSION:
        return manifest.model_file
    sources = [file for file in manifest.files if file.role == "source"]
    if len(sources) != 1:
        raise Refusal(
            "FormatMismatch",
            f"the model is compiled in version {manifest.engine.version} of the format, this"
            f" release reads version {FORMAT_VERSION}, and there is not one file with the role"
            " source to compile anew: publish the model with the fraudops release that the"
            " scorers run",
            file=f"{manifest.version}/{FILE_NAME}",
            expected=str(FORMAT_VERSION),
            actual=str(manifest.engine.version),
        )
    return sources[0]


def _download(store: Store, path: str, file: FileRef, folder: Folder, patience: Patience) -> None:
    """Once more where the digest is wrong: a connection can damage what the store holds well."""
    local = folder.file(path)
    local.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> None:
        fetch_file(store, path, local, sha256=file.sha256, size=file.size)

    try:
        try:
            patience.ask(attempt)
        except DigestMismatch:
            patience.ask(attempt)
    except Unavailable:
        raise
    except StoreError as error:
        raise refusal_of(error, file=path) from None


def _bare(
    store: Store, wanted: Wanted, folder: Folder, seen: list[str], patience: Patience
) -> Fetched:
    """A version that is one file: what it holds is not known before it is compiled."""
    path = f"{wanted.version}/{wanted.bare}"
    local = folder.file(path)
    local.parent.mkdir(parents=True, exist_ok=True)
    try:
        created_at = wanted.created_at or patience.ask(lambda: _listed(store, path).modified)
        sha256, size = patience.ask(lambda: _copied(store.open(path), local, path, wanted.most))
    except FileMissing as error:
        raise Undecided("SourceGone", f"{error}: it was deleted since it was found") from None
    except TooLarge:
        raise _too_large(path, wanted.most) from None
    _same(wanted, sha256)
    seen[0] = sha256
    if size == 0:
        raise Refusal("LoadFailed", f"{path} is empty; {PUBLISH_AGAIN}", file=path)
    return Fetched(
        version=wanted.version,
        source=sha256,
        bare=wanted.bare,
        size=size,
        created_at=created_at,
        compiles=path,
    )


def _listed(store: Store, path: str) -> StoredFile:
    for one in store.list_files(f"{path.partition('/')[0]}/"):
        if one.path == path:
            return one
    raise FileMissing(f"{path} does not exist", file=path)


def _copied(chunks: Iterable[bytes], to: Path, path: str, most: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise TooLarge(file=path, limit=most)
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest(), size


def _require_signature(
    store: Store, record: Fetched, folder: Folder, keys: signature.Keys, patience: Patience
) -> None:
    path = record.signed + SIGNATURE_SUFFIX
    try:
        found = patience.ask(lambda: store.read(path, limit=signature.MAX_BYTES))
    except FileMissing:
        found = None
    except TooLarge as error:
        raise refusal_of(error, file=path) from None
    if found is not None:
        folder.file(path).write_bytes(found[0])
    keys.require(folder.file(record.signed), folder.file(path), name=record.signed)


def _same(wanted: Wanted, sha256: str) -> None:
    if wanted.source and wanted.source != sha256:
        raise Undecided(
            "SourceChanged",
            f"version {wanted.version} was written again since it was found: it is {sha256} by"
            f" now, and was {wanted.source}",
        )


def _too_large(path: str, most: int) -> Refusal:
    return Refusal(
        "TooLarge",
        f"the files of this version have more than {most} bytes together, which is more than a"
        " model may have; publish a smaller one",
        file=path,
        expected=f"at most {most} bytes",
        actual="more",
    )
