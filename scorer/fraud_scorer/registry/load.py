"""From what a plan names to a proven model, or a verdict on why it must not be served.

The order is the point: the manifest's digest, the manifest, the engine's format, the model's
digest, and only then are the model's bytes opened; last, every golden transaction must come out as
it was published. Whatever the store itself is to blame for passes through as Unavailable.

There are two ways: `load` does it all, `open_fetched` what is left when the files were fetched for
several processes at once.

Of a version's files only the compiled model is fetched. It is data: what it was compiled from is
code, and never comes near this process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from fraud_scorer import engine
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import qualified, sha256_file, sha256_hex
from fraud_scorer.artifact.manifest import FileRef, Manifest, ManifestError
from fraud_scorer.artifact.plan import GOLDEN_TOLERANCE, PlannedModel
from fraud_scorer.artifact.store import DigestMismatch, FileMissing, Store, TooLarge, fetch
from fraud_scorer.engine import FormatError, Model, RowError
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import refused


def load(
    store: Store,
    wanted: PlannedModel,
    revision: str,
    workspace: Path,
    *,
    tolerance: float = GOLDEN_TOLERANCE,
) -> LoadedModel:
    """The proven model. `workspace` is an empty folder for this call alone: the model is mapped
    from there, and stays so when the folder is removed.

    Raises Refused, and Unavailable where the store cannot be asked.
    """
    with verdicts_on_files(wanted):
        manifest = _manifest(read_manifest(store, wanted), wanted)
    path = workspace / wanted.model.sha256
    with verdicts_on_files(wanted):
        fetch(store, wanted.model.path, path, sha256=wanted.model.sha256, size=wanted.model.size)
    model = _opened(path, manifest, wanted)
    path.unlink()
    prove(model, manifest, wanted, tolerance=tolerance)
    return _loaded(model, manifest, wanted, revision)


def open_fetched(wanted: PlannedModel, manifest_file: Path, model_file: Path) -> LoadedModel:
    """The proven model out of files that were fetched before, which are mapped where they are.

    Raises Refused, and DigestMismatch or OSError where the files are not (any longer) what was
    fetched, which is no verdict on what was published.
    """
    data = manifest_file.read_bytes()
    _require_digest(manifest_file, wanted.manifest.sha256, sha256_hex(data))
    manifest = _manifest(data, wanted)
    _require_digest(model_file, wanted.model.sha256, sha256_file(model_file)[0])
    model = _opened(model_file, manifest, wanted)
    prove(model, manifest, wanted, tolerance=wanted.golden_tolerance)
    return _loaded(model, manifest, wanted, wanted.revision)


def _loaded(model: Model, manifest: Manifest, wanted: PlannedModel, revision: str) -> LoadedModel:
    return LoadedModel(
        revision=revision,
        manifest=manifest,
        digest=wanted.digest,
        review=float(wanted.thresholds.review),
        decline=float(wanted.thresholds.decline),
        reasons=wanted.reasons,
        model=model,
    )


def prove(
    model: Model,
    manifest: Manifest,
    wanted: PlannedModel,
    *,
    tolerance: float = GOLDEN_TOLERANCE,
) -> None:
    """Score every golden transaction by itself, as requests come.

    Raises Refused at the first whose score is not the published one.
    """
    names = [feature.name for feature in manifest.features]
    for index, golden in enumerate(manifest.golden):
        time.sleep(0)  # let go of the interpreter: requests are answered meanwhile
        try:
            score = model.score_one([golden.features[name] for name in names])
        except RowError as error:
            raise refused(
                wanted,
                "GoldenMismatch",
                wanted.manifest.path,
                f"golden transaction {index} cannot be scored ({error}); publish the model again"
                " under a new version",
                expected=repr(golden.score),
                actual=str(error),
            ) from error
        if not (math.isfinite(score) and abs(score - golden.score) <= tolerance):
            raise refused(
                wanted,
                "GoldenMismatch",
                wanted.manifest.path,
                f"golden transaction {index} scores {score!r} here and {golden.score!r} where it"
                " was published: the model's bytes do not belong to this manifest; publish the"
                " model again under a new version",
                expected=repr(golden.score),
                actual=repr(score),
            )


def read_manifest(store: Store, wanted: PlannedModel) -> bytes:
    """The bytes of the manifest that the plan names. Raises StoreError."""
    path = wanted.manifest.path
    found = store.read(path, limit=manifests.MAX_BYTES)
    data = found[0] if found else b""
    _require_digest(path, wanted.manifest.sha256, sha256_hex(data))
    return data


def _require_digest(file: str | Path, expected: str, actual: str) -> None:
    if actual != expected:
        raise DigestMismatch(file=str(file), expected=qualified(expected), actual=qualified(actual))


def _manifest(data: bytes, wanted: PlannedModel) -> Manifest:
    """The manifest in bytes whose digest was checked already."""
    path = wanted.manifest.path
    try:
        manifest = manifests.decode(data)
    except ManifestError as error:
        raise refused(
            wanted,
            "ManifestInvalid",
            path,
            f"{error}; publish the model again under a new version",
            expected="a manifest",
            actual=error.field,
        ) from error
    if manifest.version != wanted.version or _content(manifest.model_file) != _content(
        wanted.model
    ):
        raise refused(
            wanted,
            "ManifestInvalid",
            path,
            "the plan was not made from this manifest: version or model differ; delete the"
            " plan's ConfigMap, the operator makes it anew",
            expected=f"{wanted.version} {wanted.digest}",
            actual=f"{manifest.version} {manifest.digest}",
        )
    _require_format(manifest, wanted)
    return manifest


def _content(file: FileRef) -> tuple[str, int, str]:
    return file.sha256, file.size, file.role


def _require_format(manifest: Manifest, wanted: PlannedModel) -> None:
    needed, known = manifest.engine.version, engine.FORMAT_VERSION
    if needed != known:
        raise refused(
            wanted,
            "FormatMismatch",
            wanted.manifest.path,
            f"the model is compiled in version {needed} of the format, and this scorer reads"
            f" version {known}: publish it anew with the fraudops release that the scorers run, or"
            " run scorers of the release that published it",
            expected=str(needed),
            actual=str(known),
        )


def _opened(path: Path, manifest: Manifest, wanted: PlannedModel) -> Model:
    """The model in a file whose digest was checked already."""
    try:
        model = engine.load(path, verify=False)
    except FormatError as error:
        raise refused(
            wanted,
            "LoadFailed",
            wanted.model.path,
            f"the file is no compiled model ({error}): publish the model anew with `fraud-scorer"
            " publish`, which compiles it where it was trained",
            expected="a compiled model (.fdm)",
            actual=str(error),
        ) from error
    takes = [(one.name, one.type, one.nullable) for one in model.inputs]
    named = [(one.name, one.type, one.nullable) for one in manifest.features]
    if takes != named:
        ours, theirs = next(
            (ours, theirs)
            for ours, theirs in zip_longest(takes, named, fillvalue=None)
            if ours != theirs
        )
        raise refused(
            wanted,
            "LoadFailed",
            wanted.model.path,
            f"the model's inputs are not the manifest's features: it takes {_input(ours)} where the"
            f" manifest has {_input(theirs)}; publish the model again under a new version",
            expected=_input(theirs),
            actual=_input(ours),
        )
    return model


def _input(one: tuple[str, str, bool] | None) -> str:
    if one is None:
        return "nothing"
    name, kind, nullable = one
    return f"{kind} {name!r}{', nullable' if nullable else ''}"


@contextmanager
def verdicts_on_files(wanted: PlannedModel) -> Iterator[None]:
    """Turn what the store says about the bytes, and only that, into verdicts."""
    try:
        yield
    except DigestMismatch as error:
        raise refused(
            wanted,
            "DigestMismatch",
            error.file,
            str(error),
            expected=error.expected,
            actual=error.actual,
        ) from error
    except TooLarge as error:
        raise refused(wanted, "DigestMismatch", error.file, str(error)) from error
    except FileMissing as error:
        raise refused(
            wanted,
            "FileMissing",
            error.file,
            f"{error}: it was deleted after it was published; publish the model again under a new"
            " version",
            expected="the file",
            actual="nothing",
        ) from error
