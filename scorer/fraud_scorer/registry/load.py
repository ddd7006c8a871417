"""From what a plan names to a proven model, or a verdict on why it must not be served.

The order is the point: the manifest's digest, the manifest, the files' digests, the framework's
version, and only then are the model's bytes loaded; last, every golden transaction must come out as
it was published. Whatever the store itself is to blame for passes through as Unavailable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.manifest import FileRef, Manifest, ManifestError
from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.store import DigestMismatch, FileMissing, Store, TooLarge, fetch
from fraud_scorer.model.protocol import FrameworkMismatchError, LoadError, Model
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import refused

GOLDEN_TOLERANCE = 1e-9
"""How far a golden score may be off: beyond rounding, it is another model."""


def load(store: Store, wanted: PlannedModel, revision: str, workspace: Path) -> LoadedModel:
    """The proven model. `workspace` is an empty folder for this call alone.

    Raises Refused, and Unavailable where the store cannot be asked.
    """
    manifest = _manifest(store, wanted)
    with _verdicts_on_files(wanted):
        for file in wanted.files:
            fetch(store, file.path, workspace / file.sha256, sha256=file.sha256, size=file.size)
    model = _model(wanted, manifest, workspace / manifest.model_file.sha256)
    prove(model, manifest, wanted)
    return LoadedModel(
        revision=revision,
        manifest=manifest,
        digest=wanted.digest,
        review=float(wanted.thresholds.review),
        decline=float(wanted.thresholds.decline),
        model=model,
    )


def prove(model: Model, manifest: Manifest, wanted: PlannedModel) -> None:
    """Score every golden transaction by itself, as requests come.

    Raises Refused at the first whose score is not the published one.
    """
    names = [feature.name for feature in manifest.features]
    for index, golden in enumerate(manifest.golden):
        try:
            (score,) = model.score([[golden.features[name] for name in names]])
        except Exception as error:  # the model's own code may raise anything
            raise refused(
                wanted,
                "GoldenMismatch",
                wanted.manifest.path,
                f"golden transaction {index} cannot be scored ({type(error).__name__}: {error});"
                " publish the model again under a new version",
                expected=repr(golden.score),
                actual=type(error).__name__,
            ) from error
        if not (math.isfinite(score) and abs(score - golden.score) <= GOLDEN_TOLERANCE):
            raise refused(
                wanted,
                "GoldenMismatch",
                wanted.manifest.path,
                f"golden transaction {index} scores {score!r} here and {golden.score!r} where it"
                " was published: libraries or CPU compute something else; train and publish with"
                " the versions of the scorer's image",
                expected=repr(golden.score),
                actual=repr(score),
            )


def _manifest(store: Store, wanted: PlannedModel) -> Manifest:
    path = wanted.manifest.path
    with _verdicts_on_files(wanted):
        found = store.read(path, limit=manifests.MAX_BYTES)
        data = found[0] if found else b""
        actual = sha256_hex(data)
        if actual != wanted.manifest.sha256:
            raise DigestMismatch(
                file=path, expected=qualified(wanted.manifest.sha256), actual=qualified(actual)
            )
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
    if manifest.version != wanted.version or _content(manifest.files) != _content(wanted.files):
        raise refused(
            wanted,
            "ManifestInvalid",
            path,
            "the plan was not made from this manifest: version or files differ; delete the"
            " plan's ConfigMap, the operator makes it anew",
            expected=f"{wanted.version} {wanted.digest}",
            actual=f"{manifest.version} {manifest.digest}",
        )
    return manifest


def _content(files: tuple[FileRef, ...]) -> list[tuple[str, int, str]]:
    return [(file.sha256, file.size, file.role) for file in files]


def _model(wanted: PlannedModel, manifest: Manifest, path: Path) -> Model:
    from fraud_scorer.model.sklearn_model import load as load_sklearn  # seconds to import

    file = next(file.path for file in wanted.files if file.role == "model")
    try:
        return load_sklearn(path, manifest.framework, manifest.features)
    except FrameworkMismatchError as error:
        raise refused(
            wanted,
            "FrameworkMismatch",
            file,
            str(error),
            expected=error.expected,
            actual=error.actual,
        ) from error
    except LoadError as error:
        raise refused(wanted, "LoadFailed", file, str(error)) from error


@contextmanager
def _verdicts_on_files(wanted: PlannedModel) -> Iterator[None]:
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
