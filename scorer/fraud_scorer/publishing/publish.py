"""From a fitted estimator to a version in the store, step by step.

The golden transactions are scored by the very bytes that are uploaded, opened as a scorer opens
them, and compared with what the estimator itself says. What a scorer could not serve is refused
here, where it can still be put right.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from fraud_scorer import engine
from fraud_scorer.artifact.credentials import AmbientIdentity, Credentials
from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Golden,
    Label,
    Manifest,
    ManifestError,
    Reference,
    Thresholds,
    Value,
    check_version,
)
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import store_location
from fraud_scorer.artifact.publish import publish
from fraud_scorer.artifact.store import Store
from fraud_scorer.engine import Model
from fraud_scorer.publishing.compiling import compiled, framework
from fraud_scorer.publishing.distribution import bins
from fraud_scorer.publishing.fitted import Fitted, freeze, thaw
from fraud_scorer.publishing.parity import require_parity
from fraud_scorer.publishing.probe import probe, score
from fraud_scorer.publishing.rows import Row, rows
from fraud_scorer.publishing.unfit import UnfitError

MODEL_FILE = "model.fdm"
SOURCE_FILE = "model.joblib"
MAX_GOLDEN = 100
MOST_COMPARED = 1000
"""Reference rows that are scored by the estimator too, and compared."""

Progress = Callable[[str], None]
"""Is told what is being done, in words for a person who waits."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is now in the store."""

    manifest: Manifest
    manifest_sha256: str
    exactness: engine.Exactness
    """How its scores compare with the estimator's: docs/exactness.md."""
    worst_difference: float
    """Between the two, over the golden transactions and the reference rows."""
    explains: bool
    """Whether its answers will have reasons."""

    @property
    def digest(self) -> str:
        """The compiled model's digest, as status and answers show it."""
        return self.manifest.digest


def publish_model(
    estimator: Any,
    *,
    to: str | Store,
    model: str,
    version: str,
    features: Sequence[Feature],
    golden: Sequence[Mapping[str, Value]],
    golden_labels: Sequence[Label | None] | None = None,
    thresholds: Thresholds | None = None,
    metrics: Mapping[str, float] | None = None,
    reference: Sequence[Mapping[str, Value]] | None = None,
    reasons: Mapping[str, str] | None = None,
    created_at: datetime | None = None,
    credentials: Credentials | None = None,
    endpoint: str = "",
    region: str = "",
    accept_inexact: bool = False,
    progress: Progress | None = None,
) -> Published:
    """Publish `estimator` as `version` below `to`: `s3://bucket/prefix/`, `gs://bucket/prefix/`,
    a folder, or a Store.

    `estimator` is a fitted classifier, or the Path of a joblib file that this environment wrote.
    `golden` are 1 to 100 transactions' features by name, without scores: these are computed here.
    `golden_labels`, where given, say of each whether it was fraud or genuine, or None.
    `reference` are rows like those, of ordinary transactions, the more the better: from them come
    the distributions against which drift can be measured, and what reasons compare a transaction
    with; without them there are neither. `reasons` are texts for people by reason code.
    `created_at` is now unless given; the newest version is the one served. `credentials` default to
    what the cloud's SDK finds. `accept_inexact` is compile_model's.

    Raises UnfitError, ManifestError, AlreadyPublished and StoreError.
    """
    check_version(version)
    _require_names(features)
    store = _store(to, credentials, endpoint, region)
    say = progress or (lambda _: None)
    with tempfile.TemporaryDirectory(prefix="fraud-publish-") as folder:
        source, model_file = Path(folder) / SOURCE_FILE, Path(folder) / MODEL_FILE
        freeze(estimator, source)
        fitted = Fitted(thaw(source), features)
        golden_rows = rows("golden", golden, features)
        if not 1 <= len(golden_rows) <= MAX_GOLDEN:
            raise UnfitError(f"{len(golden_rows)} golden transactions: give 1 to {MAX_GOLDEN}")
        labels = _labels(golden_labels, len(golden_rows))
        reference_rows = None if reference is None else rows("reference", reference, features)
        if reference_rows == []:
            raise UnfitError("reference: give at least one row, or none at all")

        say("compiling")
        model_file.write_bytes(compiled(fitted, features, reference_rows, accept_inexact))
        opened = engine.load(model_file)
        say("scoring what the features allow")
        scores = [score(opened, row, f"golden[{i}]") for i, row in enumerate(golden_rows)]
        probe(opened, golden_rows[0], features)
        say("comparing with the estimator")
        worst = _compared(opened, fitted, golden_rows, reference_rows or [])
        manifest = Manifest(
            schema_version=1,
            model=model,
            version=version,
            created_at=created_at or datetime.now(UTC),
            framework=framework(opened),
            engine=Engine(format="fdm", version=engine.FORMAT_VERSION),
            files=(_file(model_file, "model"), _file(source, "source")),
            features=tuple(features),
            golden=tuple(
                Golden(
                    features={one.name: value for one, value in zip(features, row, strict=True)},
                    score=found,
                    label=label,
                )
                for row, found, label in zip(golden_rows, scores, labels, strict=True)
            ),
            thresholds=thresholds,
            reference=_reference(opened, reference_rows, features) if reference_rows else None,
            metrics={name: float(value) for name, value in (metrics or {}).items()},
            reasons=dict(reasons or {}),
        )
        say(f"uploading {model_file.stat().st_size + source.stat().st_size:,} bytes")
        sha256 = publish(store, manifest, {MODEL_FILE: model_file, SOURCE_FILE: source})
        return Published(manifest, sha256, opened.header.exactness, worst, explains=opened.explains)


def _store(to: str | Store, credentials: Credentials | None, endpoint: str, region: str) -> Store:
    if not isinstance(to, str):
        return to
    if "://" not in to:
        return DirectoryStore(Path(to))
    location = store_location(to, region=region, endpoint=endpoint)
    return open_store(location, credentials or AmbientIdentity())


def _require_names(features: Sequence[Feature]) -> None:
    names = [feature.name for feature in features]
    if not names or len(set(names)) != len(names):
        raise ManifestError("$.features", "give at least one, each with a name of its own")


def _labels(given: Sequence[Label | None] | None, count: int) -> Sequence[Label | None]:
    labels = [None] * count if given is None else list(given)
    if len(labels) != count:
        raise UnfitError(f"{len(labels)} labels for {count} golden transactions: give one for each")
    for index, label in enumerate(labels):
        if label not in (None, *get_args(Label)):
            raise UnfitError(f"golden_labels[{index}] is {label!r}: give fraud, genuine or null")
    return labels


def _compared(opened: Model, fitted: Fitted, golden: list[Row], reference: list[Row]) -> float:
    """The greatest difference between compiled scores and the estimator's own."""
    worst = require_parity(opened, fitted, golden, "golden")
    if reference:
        some = reference[:: max(1, len(reference) // MOST_COMPARED)]
        worst = max(worst, require_parity(opened, fitted, some, "reference"))
    return worst


def _file(path: Path, role: Any) -> FileRef:
    sha256, size = sha256_file(path)
    return FileRef(path=path.name, sha256=sha256, size=size, role=role)


def _reference(opened: Model, reference: list[Row], features: Sequence[Feature]) -> Reference:
    scores = [score(opened, row, f"reference[{i}]") for i, row in enumerate(reference)]
    numbers = {
        feature.name: [
            float(value) for row in reference if isinstance(value := row[column], float | int)
        ]
        for column, feature in enumerate(features)
        if feature.type == "number"
    }
    return Reference(
        features={name: bins(values) for name, values in numbers.items() if values},
        score=bins(scores, tail=True),
    )
