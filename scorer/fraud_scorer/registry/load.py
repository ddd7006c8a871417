"""From what a plan names to a proven model, or a verdict on why it must not be served.

The order is the point: the manifest's digest, the manifest, the engine's format, the model's
digest, and only then are the model's bytes opened; last, every golden transaction must come out as
it was published. Whatever the store itself is to blame for passes through as Unavailable.

Of a version's files only the compiled model is fetched. It is data: what it was compiled from is
code, and never comes near this process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from fraud_scorer import engine
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.manifest import FileRef, Manifest, ManifestError
from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.store import DigestMismatch, FileMissing, Store, TooLarge, fetch
from fraud_scorer.engine import FormatError, Model, RowError
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import refused

GOLDEN_TOLERANCE = 1e-9
"""How far a golden score may be off. The same engine gives the same bits; another version of it may
round otherwise, and what is beyond rounding is another model."""


def load(store: Store, wanted: PlannedModel, revision: str, workspace: Path) -> LoadedModel:
    """The proven model. `workspace` is an empty folder for this call alone: the model is mapped
    from there, and stays so when the folder is removed.

    Raises Refused, and Unavailable where the store cannot be asked.
    """
    manifest = _manifest(store, wanted)
    _require_format(manifest, wanted)
    path = workspace / wanted.model.sha256
    with _verdicts_on_files(wanted):
        fetch(store, wanted.model.path, path, sha256=wanted.model.sha256, size=wanted.model.size)
    model = _opened(path, manifest, wanted)
    path.unlink()
    prove(model, manifest, wanted)
    return LoadedModel(
        revision=revision,
        manifest=manifest,
        digest=wanted.digest,
        review=float(wanted.thresholds.review),
        decline=float(wanted.thresholds.decline),
        reasons=wanted.reasons,
        model=model,
    )


def prove(model: Model, manifest: Manifest, wanted: PlannedModel) -> None:
    """Score every golden transaction by itself, as requests come.

    Raises Refused at the first whose score is not the published one.
    """
    names = [feature.name for feature in manifest.features]
    for index, golden in enumerate(manifest.golden):
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
        if not (math.isfinite(score) and abs(score - golden.score) <= GOLDEN_TOLERANCE):
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
