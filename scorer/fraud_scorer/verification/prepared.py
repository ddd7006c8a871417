"""A version ready to be judged: a manifest and a compiled model, in a folder of the judge's own.

For most versions that is what was fetched. Where something had to be compiled, it is taken from the
folder of the compilation, with every caution; the manifest of a bare version is written here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.manifest import (
    FILE_NAME,
    Engine,
    FileRef,
    Manifest,
    ManifestError,
)
from fraud_scorer.engine import FORMAT_VERSION
from fraud_scorer.sandbox import draft as drafts
from fraud_scorer.verification import handed
from fraud_scorer.verification.fetched import Fetched, Folder
from fraud_scorer.verification.refusal import Refusal, Undecided

MOST_MODEL_BYTES = 2 << 30
_MOST_STATUS_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """`root` holds the files by their paths in a store."""

    root: Path
    manifest: Manifest
    manifest_sha256: str

    @property
    def manifest_path(self) -> str:
        return f"{self.manifest.version}/{FILE_NAME}"

    @property
    def model_path(self) -> str:
        return f"{self.manifest.version}/{self.manifest.model_file.path}"


def prepare(
    fetched: Folder, record: Fetched, compiled: Path, workspace: Path, *, name: str
) -> Prepared:
    """The version, of which a bare one's model is called `name`. Raises Refusal and Undecided."""
    if not record.compiles:
        data = fetched.file(f"{record.version}/{FILE_NAME}").read_bytes()
        return Prepared(fetched.store, manifests.decode(data), sha256_hex(data))
    _require_compiled(record, compiled)
    target = workspace / record.version
    target.mkdir()
    model = target / handed.MODEL
    found = handed.copy(compiled, handed.MODEL, model, limit=MOST_MODEL_BYTES)
    if not found or model.stat().st_size == 0:
        raise _contradicts(record, handed.MODEL)
    if record.bare:
        manifest = _written(record, _draft(record, compiled), model, name)
    else:
        published = manifests.decode(fetched.file(record.signed).read_bytes())
        manifest = msgspec.structs.replace(
            published, engine=_ENGINE, files=(_file(model, "model"), *_sources(published))
        )
    try:
        data = manifests.encode(manifest)
    except ManifestError as error:
        raise Refusal(
            "CompileFailed",
            f"no manifest can be written for {record.compiles}: {error}; publish the model with"
            " `fraud-scorer publish`, where that can be put right",
            file=record.compiles,
        ) from error
    (target / FILE_NAME).write_bytes(data)
    return Prepared(workspace, manifest, sha256_hex(data))


_ENGINE = Engine(format="fdm", version=FORMAT_VERSION)


def _require_compiled(record: Fetched, compiled: Path) -> None:
    data = handed.read(compiled, handed.STATUS, limit=_MOST_STATUS_BYTES)
    if data is None:
        raise Undecided(
            "NotCompiled", f"{record.compiles} was to be compiled, and there is no word about it"
        )
    try:
        status = msgspec.json.decode(data, type=handed.Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _contradicts(record, handed.STATUS) from None
    if status.outcome == "Failed":
        advice = (
            "; raise spec.model.verification.memory if it is what you published"
            if status.reason == "TooLarge"
            else ""
        )
        raise Refusal(
            status.reason,
            f"{record.compiles} is no model that can be served: {status.message}{advice}",
            file=record.compiles,
        )


def _draft(record: Fetched, compiled: Path) -> drafts.Draft:
    data = handed.read(compiled, handed.DRAFT, limit=manifests.MAX_BYTES)
    try:
        return drafts.decode(data or b"")
    except ValueError:
        raise _contradicts(record, handed.DRAFT) from None


def _written(record: Fetched, draft: drafts.Draft, model: Path, name: str) -> Manifest:
    """The manifest of a version that came without. Its model is named like the detector."""
    source = FileRef(path=record.bare, sha256=record.source, size=record.size, role="source")
    sources: tuple[FileRef, ...] = ()
    with suppress(msgspec.ValidationError):  # not every name of a file is one that a manifest takes
        sources = (msgspec.convert(msgspec.to_builtins(source), FileRef),)
    return Manifest(
        schema_version=1,
        model=name,
        version=record.version,
        created_at=record.created_at,
        framework=draft.framework,
        engine=_ENGINE,
        files=(_file(model, "model"), *sources),
        features=draft.features,
        golden=draft.golden,
    )


def _sources(published: Manifest) -> tuple[FileRef, ...]:
    taken = handed.MODEL
    return tuple(f for f in published.files if f.role == "source" and f.path != taken)


def _file(path: Path, role: str) -> FileRef:
    sha256, size = sha256_file(path)
    made = {"path": path.name, "sha256": sha256, "size": size, "role": role}
    return msgspec.convert(made, FileRef)


def _contradicts(record: Fetched, name: str) -> Refusal:
    return Refusal(
        "CompileFailed",
        f"the compilation of {record.compiles} left no proper {name}: the model file does more than"
        " describe a model; find out where it comes from",
        file=record.compiles,
        expected=name,
        actual="nothing of the kind",
    )
